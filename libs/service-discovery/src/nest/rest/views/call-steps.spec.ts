import { describe, expect, it } from '@jest/globals';
import { type CallEdge } from '../../../observability/index.js';
import { joinSteps } from './call-steps.js';

const HOUR_MS = 3_600_000;
const STEPS = 360;

function edgesOf(count: number): CallEdge[] {
  const points = Array.from({ length: STEPS }, (_, n) => ({
    at: n * 10_000,
    calls: 2,
    errors: 1,
    retries: 3,
    hedges: 4,
    shed: 5,
    queued: n,
    p50: n % 2 === 0 ? null : n,
    p95: n,
    p99: 1_000 - n,
  }));
  return Array.from({ length: count }, (_, n) => ({ caller: `caller-${n}`, service: 'users', points }));
}

describe('steps of calls', () => {
  it('are 10 s where the answer is small', () => {
    const edges = edgesOf(83);
    expect(joinSteps(edges, HOUR_MS)).toEqual({ stepMs: 10_000, edges });
  });

  it('are joined where there are many edges, to end with the last one', () => {
    const { stepMs, edges } = joinSteps(edgesOf(500), HOUR_MS);
    expect(stepMs).toBe(60_000);
    expect(edges).toHaveLength(500);
    expect(edges[0]?.points).toHaveLength(60);
    expect(edges[0]?.points.at(-1)).toEqual({
      at: HOUR_MS - 60_000,
      calls: 12,
      errors: 6,
      retries: 18,
      hedges: 24,
      shed: 30,
      queued: 359,
      p50: 359,
      p95: 359,
      p99: 646,
    });
  });

  it('lose no call', () => {
    const [edge] = joinSteps(edgesOf(100), HOUR_MS - 20_000).edges;
    expect(edge?.points.reduce((sum, { calls }) => sum + calls, 0)).toBe(2 * STEPS);
  });
});
