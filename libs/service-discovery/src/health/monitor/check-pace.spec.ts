import { describe, expect, it } from '@jest/globals';
import { intervalOf, mayRest, nextWindow, SOON } from './check-pace.js';
import { type CheckSchedule } from '../check-plan.js';
import { resolveHealthCheckOptions } from '../options.js';
import { type ThresholdState } from './status-thresholds.js';

const { schedule } = resolveHealthCheckOptions({
  interval: '30s',
  changingInterval: '2s',
  downInterval: '60s',
  idleInterval: '5m',
  timeout: '1s',
});

const healthy: ThresholdState = { status: 'healthy', successes: 2, failures: 0 };

describe('the time between two checks', () => {
  it.each<[string, ThresholdState, keyof CheckSchedule]>([
    ['healthy', healthy, 'intervalMs'],
    ['healthy with a failure', { status: 'healthy', successes: 0, failures: 1 }, 'changingIntervalMs'],
    ['unhealthy', { status: 'unhealthy', successes: 0, failures: 3 }, 'downIntervalMs'],
    ['unhealthy with a success', { status: 'unhealthy', successes: 1, failures: 0 }, 'changingIntervalMs'],
    ['not known yet', { status: 'unknown', successes: 0, failures: 0 }, 'intervalMs'],
  ])('of an instance that is %s', (_, state, expected) => {
    expect(intervalOf(schedule, state)).toBe(schedule[expected]);
  });

  it('is counted from the start of a check, with jitter', () => {
    expect(nextWindow(10_000, 0.1, 400)).toEqual({ fromMs: 8_600, toMs: 10_600 });
    expect(nextWindow(10_000, 0, 0)).toEqual({ fromMs: 10_000, toMs: 10_000 });
  });

  it('is over after a check that took longer', () => {
    expect(nextWindow(1_000, 0.1, 5_000)).toEqual({ fromMs: 0, toMs: 0 });
    expect(nextWindow(1_000, 0.5, 1_000)).toEqual({ fromMs: 0, toMs: 500 });
  });

  it('is at most a second before the first check, and less where intervals are short', () => {
    expect(SOON(60_000)).toEqual({ fromMs: 0, toMs: 1_000, latestMs: 60_000 });
    expect(SOON(2_000)).toEqual({ fromMs: 0, toMs: 200, latestMs: 2_000 });
  });
});

describe('an instance without calls', () => {
  it('skips turns until the one nearest to the end of the idle interval', () => {
    const rests = [0, 30_000, 270_000, 284_999, 285_000, 300_000].map((sinceMs) =>
      mayRest(schedule, healthy, sinceMs, () => true),
    );
    expect(rests).toEqual([true, true, true, true, false, false]);
  });

  it('skips no turns while it receives calls or its status may change', () => {
    expect(mayRest(schedule, healthy, 30_000, () => false)).toBe(false);
    for (const state of [
      { status: 'healthy', successes: 0, failures: 1 },
      { status: 'unhealthy', successes: 0, failures: 3 },
      { status: 'unknown', successes: 0, failures: 0 },
    ] as const) {
      expect(mayRest(schedule, state, 30_000, () => true)).toBe(false);
    }
  });

  it('is not looked up if the idle interval is no longer than the others', () => {
    const asked = (): never => {
      throw new Error('asked');
    };
    expect(mayRest({ ...schedule, idleIntervalMs: 30_000 }, healthy, 30_000, asked)).toBe(false);
  });
});
