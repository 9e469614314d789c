import { beforeEach, describe, expect, it } from '@jest/globals';
import { ADAPTIVE_LIMIT_OPTIONS, type AdaptiveLimitOptions } from './adaptive-limit-options.js';
import { ConcurrencyEstimator } from './concurrency-estimator.js';

interface Answers {
  /** How many calls are dropped, of those that make a step: 20, and in a probe 40. */
  readonly drops?: number;
  /** The most calls that run at once. @default all that may */
  readonly peak?: number;
}

describe('ConcurrencyEstimator', () => {
  let now: number;
  let estimator: ConcurrencyEstimator;
  const create = (options: Partial<AdaptiveLimitOptions> = {}): void => {
    estimator = new ConcurrencyEstimator(ADAPTIVE_LIMIT_OPTIONS.resolve({ initial: 100, ...options }), now);
  };
  /** A window in which all answers take equally long. */
  const window = (latencyMs: number, { drops = 0, peak = estimator.limit }: Answers = {}): void => {
    now += 5_000;
    estimator.begin(now, peak);
    const calls = estimator.isProbing ? 40 : 20;
    for (let call = 0; call < calls; call++) estimator.end(now, call < drops ? undefined : latencyMs, 0);
  };
  /** Knows how long answers take without load, and is not due for another probe. */
  const settle = (latencyMs: number): void => {
    window(latencyMs);
    window(latencyMs);
  };

  beforeEach(() => {
    now = 0;
  });

  it('looks for the latency without load first, with half the calls', () => {
    create();
    expect(estimator.limit).toBe(100);
    window(50);
    expect(estimator).toMatchObject({ limit: 50, withheld: 50, isProbing: true, baselineMs: undefined });
    window(40);
    expect(estimator).toMatchObject({ limit: 100, withheld: 0, isProbing: false, baselineMs: 40, latencyMs: 40 });
  });

  it('grows by a part of its root while calls reach it and answers are fast', () => {
    create({ smoothing: 0.5 });
    settle(40);
    window(40);
    expect(estimator.limit).toBe(105);
    window(59);
    expect(estimator.limit).toBe(110);
    window(40, { peak: 109 });
    expect(estimator.limit).toBe(110);
  });

  it('stays within its bounds', () => {
    create({ initial: 10, min: 8, max: 11, smoothing: 1 });
    window(40);
    expect(estimator.limit).toBe(8);
    window(40);
    window(40);
    expect(estimator.limit).toBe(11);
    window(40);
    expect(estimator.limit).toBe(11);
  });

  it('falls to the concurrency of the callee once answers take too long', () => {
    create();
    settle(40);
    window(200);
    // Of 100 calls in the callee a part is worked on; half of that empties its queue.
    expect(estimator.isProbing).toBe(true);
    const { latencyMs = 0 } = estimator;
    expect(estimator.limit).toBe(Math.floor((100 / (latencyMs / 40)) * 0.5));
    window(40);
    expect(estimator.limit).toBe(Math.floor(100 / (latencyMs / 40)));
    expect(estimator).toMatchObject({ isProbing: false, baselineMs: 40, latencyMs: 40 });
  });

  it('does not fall as long as answers are within the tolerance', () => {
    create({ tolerance: 3 });
    settle(40);
    for (let times = 0; times < 4; times++) window(119);
    expect(estimator.isProbing).toBe(false);
    expect(estimator.limit).toBeGreaterThan(100);
  });

  it('probes again when calls reach the limit for half a minute, and then restores the limit', () => {
    create();
    settle(40);
    for (let second = 5; second < 30; second += 5) {
      window(40);
      expect(estimator.isProbing).toBe(false);
    }
    const { limit } = estimator;
    window(40);
    expect(estimator).toMatchObject({ isProbing: true, limit: Math.floor(limit / 2) });
    window(40);
    expect(estimator.limit).toBe(limit);
  });

  it('does not probe when calls stay below the limit, nor soon after it saw the callee without load', () => {
    create();
    settle(40);
    for (let times = 0; times < 20; times++) {
      window(40, { peak: 60 });
      expect(estimator.isProbing).toBe(false);
    }
    window(40, { peak: 20 });
    window(40);
    expect(estimator.isProbing).toBe(false);
  });

  it('keeps the limit while fewer than half of the allowed calls run, and learns their latency', () => {
    create();
    settle(40);
    for (let times = 0; times < 100; times++) window(400, { drops: 10, peak: 49 });
    expect(estimator).toMatchObject({ limit: 100, isProbing: false });
    expect(estimator.baselineMs).toBeCloseTo(400, 1);
    window(400, { peak: 99 });
    expect(estimator).toMatchObject({ limit: 100, isProbing: false });
  });

  it('goes by half of the share that is dropped', () => {
    create({ smoothing: 0.01 });
    settle(40);
    window(40, { drops: 5, peak: 99 });
    expect(estimator.limit).toBe(87);
    window(40, { drops: 20, peak: 86 });
    expect(estimator.limit).toBe(43);
    create();
    window(40, { drops: 20 });
    expect(estimator).toMatchObject({ limit: 25, isProbing: true, baselineMs: undefined });
    window(40, { drops: 40 });
    expect(estimator).toMatchObject({ limit: 25, isProbing: false, baselineMs: undefined });
    window(40);
    expect(estimator).toMatchObject({ limit: 12, isProbing: true, latencyMs: 40 });
  });

  it('takes no single answer for an overload, however long it took', () => {
    create();
    settle(40);
    now += 5_000;
    estimator.begin(now, estimator.limit);
    estimator.end(now, 1_000_000, 0);
    for (let call = 1; call < 20; call++) estimator.end(now, 40, 0);
    expect(estimator).toMatchObject({ latencyMs: 40 + (9 * 40) / 20 / 2, isProbing: false });
  });

  it('waits for enough answers, and for enough time', () => {
    create({ window: 100 });
    estimator.begin(0, 100);
    for (let call = 0; call < 1_000; call++) estimator.end(99, 40, 0);
    expect(estimator.isProbing).toBe(false);
    estimator.end(100, 40, 0);
    expect(estimator.isProbing).toBe(true);
    now = 1_000;
    for (let call = 0; call < 39; call++) estimator.end(now, 40, 0);
    expect(estimator.isProbing).toBe(true);
    estimator.end(now, 40, 0);
    expect(estimator.isProbing).toBe(false);
    // From now on a window is as long as two answers at least.
    estimator.begin(now, 100);
    for (let call = 0; call < 30; call++) estimator.end(now + 99, 40, 0);
    for (let call = 0; call < 30; call++) estimator.end(now + 99, 200, 0);
    expect(estimator.latencyMs).toBe(40);
    estimator.end(now + 100, 200, 0);
    now += 100;
    expect(estimator.latencyMs).toBeGreaterThan(80);
  });

  it('does not count calls in a probe that began before it', () => {
    create();
    settle(40);
    window(200);
    const startedAt = now;
    const { latencyMs = 0 } = estimator;
    for (let call = 0; call < 100; call++) estimator.end(startedAt + latencyMs - 1, 200, 0);
    now = startedAt + 5_000;
    for (let call = 0; call < 40; call++) estimator.end(now, 40, 0);
    expect(estimator).toMatchObject({ isProbing: false, baselineMs: 40 });
  });

  it('follows a callee that became slower with care, since the queue may be of others', () => {
    create();
    for (let times = 0; times < 200; times++) window(40);
    window(300);
    expect(estimator.isProbing).toBe(true);
    window(300);
    expect(estimator.baselineMs).toBeCloseTo(40 + 0.1 * 260, 5);
    // The first probes count alike, since the very first may have come at a bad time.
    create();
    settle(40);
    window(300);
    window(300);
    expect(estimator.baselineMs).toBeCloseTo(40 + 260 / 2, 5);
  });

  it('follows a slower callee at once when the limit is at its minimum', () => {
    create({ initial: 4, min: 4, max: 4 });
    for (let times = 0; times < 20; times++) settle(40);
    window(400);
    expect(estimator.isProbing).toBe(true);
    window(400);
    expect(estimator.baselineMs).toBeCloseTo(400, 5);
  });

  it('follows a faster callee', () => {
    create();
    for (let times = 0; times < 20; times++) settle(200);
    for (let times = 0; times < 40; times++) window(40, { peak: estimator.limit - 1 });
    expect(estimator.baselineMs).toBeLessThan(60);
  });

  it('remembers nothing of the last hour but the limit and the latency without load', () => {
    create();
    settle(40);
    estimator.begin(now, 100);
    for (let call = 0; call < 19; call++) estimator.end(now, 4_000, 0);
    now += 3_600_000;
    estimator.begin(now, 1);
    for (let call = 0; call < 19; call++) estimator.end(now + 1_000, 40, 0);
    expect(estimator).toMatchObject({ latencyMs: undefined, baselineMs: 40 });
    estimator.end(now + 1_000, 40, 0);
    expect(estimator).toMatchObject({ latencyMs: 40, limit: 100, isProbing: false });
    now += 1_000;
    window(400);
    expect(estimator.isProbing).toBe(true);
    now += 3_600_000;
    estimator.begin(now, 1);
    expect(estimator).toMatchObject({ limit: 100, isProbing: false });
  });
});
