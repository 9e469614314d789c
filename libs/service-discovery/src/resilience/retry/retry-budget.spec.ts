import { beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError } from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { RetryBudget, type RetryBudgetOptions } from './retry-budget.js';
import { RetryState } from './retry-state.js';
import { RETRY_OPTIONS } from './retry-options.js';

describe('RetryBudget', () => {
  let clock: ManualClock;
  const createBudget = (options: Partial<RetryBudgetOptions>): RetryBudget => new RetryBudget(options, { clock });
  const call = (budget: RetryBudget, times: number): void => {
    for (let made = 0; made < times; made++) budget.recordCall();
  };
  /** Retries until it is told to stop. */
  const exhaust = (budget: RetryBudget): number => {
    let retries = 0;
    while (budget.tryRetry()) retries++;
    return retries;
  };

  beforeEach(() => {
    clock = new ManualClock();
  });

  it('allows exactly its share of the calls despite binary fractions', () => {
    const budget = createBudget({ ratio: 0.2, minPerSecond: 0 });
    call(budget, 4);
    expect(exhaust(budget)).toBe(0);
    call(budget, 1);
    expect(exhaust(budget)).toBe(1);
    call(budget, 95);
    expect(exhaust(budget)).toBe(19);
    const odd = createBudget({ ratio: 0.29, minPerSecond: 0 });
    call(odd, 100);
    expect(exhaust(odd)).toBe(29);
  });

  it('allows some retries a second at any rate', () => {
    const budget = createBudget({ ratio: 0, minPerSecond: 2, window: '10s' });
    expect(exhaust(budget)).toBe(20);
    clock.advance(9_000);
    expect(budget.available).toBe(0);
    clock.advance(1_000);
    expect(exhaust(budget)).toBe(20);
  });

  it('keeps an outage from multiplying the calls by more than its share', () => {
    const budget = createBudget({ ratio: 0.2, minPerSecond: 0 });
    let sent = 0;
    for (let made = 0; made < 5_000; made++) {
      clock.advance(1);
      budget.recordCall();
      sent += 1 + exhaust(budget);
    }
    expect(sent).toBe(6_000);
  });

  it('sends at most 1.1 times the calls at 10%, when every attempt is rejected', () => {
    const budget = createBudget({ ratio: 0.1, minPerSecond: 0 });
    const options = RETRY_OPTIONS.resolve({ maxAttempts: 20, baseDelay: 0 });
    let sent = 0;
    for (let made = 0; made < 100_000; made++) {
      clock.advance(0.7);
      budget.recordCall();
      const state = new RetryState(options, { idempotent: true, replayable: true }, { random: () => 0, budget });
      for (let attempts = 1; ; attempts++) {
        sent++;
        if (!state.afterFailure({ attempts, outcome: 'retryable' }).retry) break;
      }
    }
    expect(sent).toBeGreaterThan(109_990);
    expect(sent).toBeLessThanOrEqual(110_000);
  });

  it('forgets calls and retries that lie a window back', () => {
    const budget = createBudget({ ratio: 0.5, minPerSecond: 0, window: '10s' });
    call(budget, 10);
    clock.advance(5_000);
    call(budget, 10);
    expect(budget.available).toBe(10);
    clock.advance(5_000);
    expect(budget.available).toBe(5);
    expect(exhaust(budget)).toBe(5);
    clock.advance(5_000);
    expect(budget.available).toBe(0);
    clock.advance(5_000);
    call(budget, 2);
    expect(budget.available).toBe(1);
  });

  it('has nothing left of before after an idle hour', () => {
    const budget = createBudget({ ratio: 1, minPerSecond: 0 });
    call(budget, 100);
    clock.advance(3_605_000);
    expect(budget.available).toBe(0);
  });

  it('counts a call whose time is from a moment before another one as if it came with it', () => {
    const budget = createBudget({ ratio: 1, minPerSecond: 0, window: '10s' });
    clock.advance(10_000);
    budget.recordCall(10_000);
    budget.recordCall(9_999);
    expect(budget.available).toBe(2);
    clock.advance(9_000);
    expect(budget.available).toBe(2);
    clock.advance(1_000);
    expect(budget.available).toBe(0);
  });

  it('needs no timer', () => {
    call(createBudget({}), 10);
    expect(clock.pendingTimers).toBe(0);
  });

  it('names every wrong option at once', () => {
    const create = (): RetryBudget => createBudget({ ratio: -1, minPerSecond: Number.NaN, window: '1ms' });
    expect(create).toThrow(InvalidConfigurationError);
    expect(create).toThrow(/budget\.ratio.*\n.*budget\.minPerSecond.*\n.*budget\.window: .*from 1s to 10m/);
  });
});
