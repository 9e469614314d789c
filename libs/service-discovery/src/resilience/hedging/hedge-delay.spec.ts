import { beforeEach, describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../testing/manual-clock.js';
import { HedgeDelay, LatencyWindow } from './hedge-delay.js';
import { HEDGING_OPTIONS, type HedgingOptions } from './hedge-options.js';

const clock = new ManualClock();
const delayOf = (delay: HedgingOptions['delay']): HedgeDelay =>
  new HedgeDelay(HEDGING_OPTIONS.resolve({ delay }), clock);
const record = (delay: HedgeDelay, times: number, ms: number): void => {
  for (let call = 0; call < times; call++) delay.record(ms);
};

describe('HedgeDelay', () => {
  it('is the fixed delay, whatever the latencies', () => {
    const delay = delayOf('30ms');
    expect(delay.currentMs).toBe(30);
    record(delay, 100, 5_000);
    expect(delay.currentMs).toBe(30);
  });

  it('is the percentile as soon as enough calls were made', () => {
    const delay = delayOf('p95');
    record(delay, 19, 10);
    expect(delay.currentMs).toBeUndefined();
    record(delay, 1, 10);
    expect(delay.currentMs).toBeGreaterThanOrEqual(10);
    expect(delay.currentMs).toBeLessThan(10.5);
  });

  it('does not lose a call for the moment that has passed since', () => {
    const delay = delayOf('p95');
    record(delay, 20, 10);
    clock.advance(50);
    expect(delay.currentMs).toBeDefined();
  });

  it('is unknown again when nothing was called for long', () => {
    const delay = delayOf('p95');
    record(delay, 100, 10);
    clock.advance(600_000);
    expect(delay.currentMs).toBeUndefined();
  });

  it('is neither below the minimum nor above the maximum', () => {
    const delay = delayOf({ minimum: 20, maximum: 100 });
    record(delay, 50, 1);
    expect(delay.currentMs).toBe(20);
    record(delay, 500, 3_000);
    expect(delay.currentMs).toBe(100);
  });

  it('needs no timer', () => {
    expect(clock.pendingTimers).toBe(0);
  });
});

const WINDOW_MS = 10_000;

describe('LatencyWindow', () => {
  let clock: ManualClock;
  let latencies: LatencyWindow;
  const record = (...all: number[]): void => all.forEach((ms) => latencies.record(ms));
  const from = (first: number, last: number): number[] =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index);

  beforeEach(() => {
    clock = new ManualClock();
    latencies = new LatencyWindow(WINDOW_MS, clock);
  });

  it('knows no percentile of nothing', () => {
    expect([latencies.percentile(95), latencies.count]).toEqual([undefined, 0]);
  });

  it.each([50, 90, 95, 99])('finds percentile %d, never too low and at most 5%% too high', (percent) => {
    record(...from(1, 1_000));
    const exact = percent * 10;
    expect(latencies.percentile(percent)).toBeGreaterThanOrEqual(exact);
    expect(latencies.percentile(percent)).toBeLessThanOrEqual(exact * 1.05);
  });

  it('lets no more than the remaining share lie above, when all samples are nearly equal', () => {
    record(...from(1, 100).map((each) => 10 + each / 1_000));
    expect(latencies.percentile(95)).toBeGreaterThanOrEqual(10.1);
  });

  it('takes one of twenty for the slowest 5%', () => {
    record(...Array<number>(19).fill(10), 500);
    expect(latencies.percentile(95)).toBeLessThan(10.5);
    record(500);
    expect(latencies.percentile(95)).toBeGreaterThanOrEqual(500);
  });

  it('takes one of ten as the slowest 10% despite binary fractions', () => {
    record(...Array<number>(9).fill(10), 500);
    expect(latencies.percentile(90)).toBeLessThan(10.5);
  });

  it('counts latencies beyond its buckets in the lowest and the highest', () => {
    record(0, 0, 0.01);
    expect(latencies.percentile(50)).toBeCloseTo(0.1);
    record(Infinity, 1e12, 1e12, 1e12);
    expect(latencies.percentile(50)).toBeGreaterThanOrEqual(3_600_000);
    expect(latencies.count).toBe(7);
  });

  it('lets the weight of a latency fall to 1/e within the window', () => {
    record(...from(1, 100));
    clock.advance(WINDOW_MS);
    expect(latencies.count).toBeCloseTo(100 / Math.E);
    clock.advance(WINDOW_MS);
    expect(latencies.count).toBeCloseTo(100 / Math.E ** 2);
  });

  it('has as many as come within a window, at a steady rate', () => {
    for (let second = 0; second < 200; second++) {
      record(1, 2, 3, 4, 5);
      clock.advance(1_000);
    }
    expect(latencies.count).toBeGreaterThan(45);
    expect(latencies.count).toBeLessThan(55);
  });

  it('follows a change: new latencies outweigh as many old ones', () => {
    record(...Array<number>(100).fill(10));
    clock.advance(5 * WINDOW_MS);
    record(...Array<number>(20).fill(200));
    expect(latencies.percentile(95)).toBeGreaterThanOrEqual(200);
    clock.advance(10 * WINDOW_MS);
    record(...Array<number>(20).fill(10));
    expect(latencies.percentile(95)).toBeLessThan(10.5);
  });

  it('an idle hour leaves no stale sample, and neither does an idle year', () => {
    record(...Array<number>(100_000).fill(500));
    clock.advance(3_600_000);
    expect(latencies.count).toBeLessThan(1e-9);
    record(10);
    expect(latencies.percentile(50)).toBeLessThan(10.5);
    clock.advance(365 * 86_400_000);
    record(20, 20);
    expect(latencies.count).toBeCloseTo(2);
    expect(latencies.percentile(99)).toBeLessThan(21);
  });

  it('stays exact over many windows, and needs no timer', () => {
    for (let window = 0; window < 1_000; window++) {
      record(10, 20, 30, 40);
      clock.advance(WINDOW_MS);
    }
    expect(latencies.count).toBeCloseTo(4 / (Math.E - 1), 6);
    expect(latencies.percentile(50)).toBeGreaterThanOrEqual(20);
    expect(latencies.percentile(50)).toBeLessThan(21);
    expect(clock.pendingTimers).toBe(0);
  });
});
