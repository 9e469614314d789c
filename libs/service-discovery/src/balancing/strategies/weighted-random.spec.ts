import { describe, expect, it } from '@jest/globals';
import { fakeInstance } from '../../testing/fake-instance.js';
import { createLoadBalancer } from '../create-load-balancer.js';
import { type PickContext } from '../load-balancer.js';

const ALMOST_ONE = 1 - Number.EPSILON;

/** The instance picked for each random number. */
function picksOf(weights: Record<string, number>, draws: readonly number[], context?: PickContext): string {
  const rest = [...draws];
  const balancer = createLoadBalancer('random', { random: () => rest.shift() ?? 0 });
  balancer.update(Object.entries(weights).map(([instanceId, weight]) => fakeInstance({ instanceId, weight })));
  return draws
    .map(() => {
      const result = balancer.pick(context);
      return result.kind === 'picked' ? result.instance.instanceId : '-';
    })
    .join('');
}

describe('random', () => {
  it('is uniform for equal weights', () => {
    const draws = Array.from({ length: 12 }, (_, step) => step / 12);
    expect(picksOf({ a: 100, b: 100, c: 100 }, draws)).toBe('aaaabbbbcccc');
  });

  it('is in exact proportion to the weights', () => {
    const draws = Array.from({ length: 100 }, (_, step) => step / 100);
    expect(picksOf({ a: 70, b: 20, c: 10 }, draws)).toBe('a'.repeat(70) + 'b'.repeat(20) + 'c'.repeat(10));
  });

  it('never picks weight 0, and picks the last one for the greatest random number', () => {
    expect(picksOf({ a: 0, b: 1, c: 0, d: 1, e: 0 }, [0, 0.49, 0.5, ALMOST_ONE])).toBe('bbdd');
  });

  it('is in proportion also for calls with criteria', () => {
    const draws = Array.from({ length: 10 }, (_, step) => step / 10);
    expect(picksOf({ a: 50, b: 40, c: 10 }, draws, { exclude: new Set(['a']) })).toBe('bbbbbbbbcc');
  });
});
