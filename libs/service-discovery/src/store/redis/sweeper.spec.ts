import { beforeEach, describe, expect, it } from '@jest/globals';
import { seededRandom } from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { SweepPace } from './sweeper.js';

let clock: ManualClock;
beforeEach(() => {
  clock = new ManualClock();
});

describe('SweepPace', () => {
  it('is due initially', () => {
    expect(new SweepPace(clock, () => 0.5).isDue).toBe(true);
  });

  it.each([0, 1, 1_000])('stays due with %d processes', (processes) => {
    const pace = new SweepPace(clock, () => 1);
    pace.tried(processes);
    expect(pace.isDue).toBe(true);
  });

  it.each([
    [2_000, 0.5, 2_000],
    [2_000, 0, 1_000],
    [10_000, 0.5, 10_000],
    [100_000, 0.5, 30_000],
    [100_000, 1, 45_000],
  ])('waits with %d processes and a random value of %d for %d ms', (processes, random, ms) => {
    const pace = new SweepPace(clock, () => random);
    pace.tried(processes);
    clock.advance(ms - 1);
    expect(pace.isDue).toBe(false);
    clock.advance(1);
    expect(pace.isDue).toBe(true);
  });

  it('is due at each interval again once an attempt reports a smaller fleet', () => {
    const pace = new SweepPace(clock, () => 0.5);
    pace.tried(100_000);
    clock.advance(30_000);
    pace.tried(10);
    expect(pace.isDue).toBe(true);
  });

  it.each([1_000, 5_000, 20_000])('makes about a thousand attempts per second with %d processes', (processes) => {
    const random = seededRandom(7);
    const fleet = Array.from({ length: processes }, () => new SweepPace(clock, random));
    const tries: number[] = [];
    for (let second = 0; second < 90; second++) {
      const due = fleet.filter((pace) => pace.isDue);
      for (const pace of due) pace.tried(processes);
      tries.push(due.length);
      clock.advance(1_000);
    }
    const settled = tries.slice(45);
    expect(Math.min(...settled)).toBeGreaterThan(0);
    const mean = settled.reduce((sum, count) => sum + count, 0) / settled.length;
    expect(mean).toBeGreaterThan(600);
    expect(mean).toBeLessThanOrEqual(1_050);
  });
});
