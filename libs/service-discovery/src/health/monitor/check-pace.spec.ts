import { describe, expect, it } from '@jest/globals';
import { intervalOf, nextWindow, SOON } from './check-pace.js';
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

describe('the time between two checks', () => {
  it.each<[string, ThresholdState, boolean, keyof CheckSchedule]>([
    ['healthy and called', { status: 'healthy', successes: 2, failures: 0 }, false, 'intervalMs'],
    ['healthy, and nobody calls it', { status: 'healthy', successes: 2, failures: 0 }, true, 'idleIntervalMs'],
    ['healthy with a failure', { status: 'healthy', successes: 0, failures: 1 }, true, 'changingIntervalMs'],
    ['unhealthy', { status: 'unhealthy', successes: 0, failures: 3 }, true, 'downIntervalMs'],
    ['unhealthy with a success', { status: 'unhealthy', successes: 1, failures: 0 }, false, 'changingIntervalMs'],
    ['not known yet', { status: 'unknown', successes: 0, failures: 0 }, false, 'intervalMs'],
  ])('of an instance that is %s', (_, state, idle, expected) => {
    expect(intervalOf(schedule, state, () => idle)).toBe(schedule[expected]);
  });

  it('does not ask whether somebody calls where it makes no difference', () => {
    const state: ThresholdState = { status: 'healthy', successes: 2, failures: 0 };
    const asked = (): never => {
      throw new Error('asked');
    };
    expect(intervalOf({ ...schedule, idleIntervalMs: 30_000 }, state, asked)).toBe(30_000);
  });

  it('is counted from the beginning of a check, give or take the jitter', () => {
    expect(nextWindow(10_000, 0.1, 400)).toEqual({ fromMs: 8_600, toMs: 10_600 });
    expect(nextWindow(10_000, 0, 0)).toEqual({ fromMs: 10_000, toMs: 10_000 });
  });

  it('has no time left after a check that took longer', () => {
    expect(nextWindow(1_000, 0.1, 5_000)).toEqual({ fromMs: 0, toMs: 0 });
    expect(nextWindow(1_000, 0.5, 1_000)).toEqual({ fromMs: 0, toMs: 500 });
  });

  it('is a second at most before the first check, and less where intervals are short', () => {
    expect(SOON(60_000)).toEqual({ fromMs: 0, toMs: 1_000, latestMs: 60_000 });
    expect(SOON(2_000)).toEqual({ fromMs: 0, toMs: 200, latestMs: 2_000 });
  });
});
