import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '../../testing/manual-clock.js';
import { HedgeDelay } from './hedge-delay.js';
import { type HedgingOptions, HEDGING_OPTIONS } from './hedge-options.js';

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
