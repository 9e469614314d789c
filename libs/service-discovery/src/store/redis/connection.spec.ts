import { beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../testing/manual-clock.js';
import { ReconnectSpread } from './connection.js';

let clock: ManualClock;
beforeEach(() => {
  clock = new ManualClock();
});

function spreadOf(processes: number, { services = 1, random = 0.5 } = {}): ReconnectSpread {
  const spread = new ReconnectSpread(
    clock,
    () => random,
    () => services,
  );
  spread.fleetSeen(processes);
  return spread;
}

describe('ReconnectSpread', () => {
  it.each([
    [2, 1, 22],
    [100, 1, 1_100],
    [1_000, 1, 11_000],
    [1_000, 10, 20_000],
    [1_000, 1_000, 30_000],
    [100_000, 1, 30_000],
  ])('spreads %d processes that read %d services over %d ms', (processes, services, ms) => {
    expect(spreadOf(processes, { services }).windowMs).toBeCloseTo(ms);
  });

  it('draws one moment for all lost connections of a process', () => {
    const spread = spreadOf(1_000);
    expect(spread.waitMs).toBe(0);
    spread.lost();
    clock.advance(1_500);
    spread.lost();
    expect(spread.waitMs).toBe(4_000);
  });

  it('draws again after a failed return', () => {
    const spread = spreadOf(1_000);
    spread.lost();
    clock.advance(5_500);
    expect(spread.waitMs).toBe(0);
    spread.lost();
    expect(spread.waitMs).toBe(5_500);
  });

  it('lets the fleet size decay slowly, since processes that return first count few others', () => {
    const spread = spreadOf(1_000);
    for (let second = 0; second < 10; second++) spread.fleetSeen(1);
    expect(spread.windowMs).toBeGreaterThan(8_000);
    for (let second = 0; second < 600; second++) spread.fleetSeen(2);
    expect(spread.windowMs).toBeCloseTo(22);
  });

  it('keeps working if the number of processes is unknown', () => {
    expect(spreadOf(0).windowMs).toBe(11);
  });
});
