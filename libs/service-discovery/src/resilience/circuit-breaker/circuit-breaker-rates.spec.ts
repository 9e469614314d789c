import { beforeEach, describe, expect, it } from '@jest/globals';
import { type OutcomeClass } from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { type CircuitBreakerOptions } from './circuit-breaker-options.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { type CircuitStateChange } from './circuit-view.js';
import { type CircuitPermit } from './circuit-permits.js';

const RECOVERY_MS = 30_000;

describe('a circuit breaker that goes by rates', () => {
  let clock: ManualClock;
  let changes: CircuitStateChange[];
  let breaker: CircuitBreaker;

  const create = (options: Partial<CircuitBreakerOptions>): void => {
    changes = [];
    breaker = new CircuitBreaker(
      { failureThreshold: false, recoveryTimeout: RECOVERY_MS, ...options },
      { clock, onStateChange: (change) => void changes.push(change) },
    );
  };
  const acquire = (): CircuitPermit => {
    const permit = breaker.tryAcquire();
    if (!permit) throw new Error('the circuit refused the call');
    return permit;
  };
  const settle = (outcome: OutcomeClass, times = 1): void => {
    for (let call = 0; call < times; call++) acquire().settle(outcome);
  };
  const take = (durationMs: number, outcome: OutcomeClass = 'success'): void => {
    const permit = acquire();
    clock.advance(durationMs);
    permit.settle(outcome);
  };
  const counted = (): unknown => {
    const { calls, failed, slow } = breaker.snapshot().window!;
    return [calls, failed, slow];
  };

  beforeEach(() => {
    clock = new ManualClock();
  });

  describe('of failures', () => {
    it('opens when the share of failures is reached, not before', () => {
      create({ failureRate: 0.3, minimumCalls: 10, window: 60_000 });
      settle('success', 8);
      settle('failure', 3);
      expect(breaker.state).toBe('closed');
      settle('retryable');
      expect(breaker.state).toBe('open');
      expect(changes).toEqual([
        { from: 'closed', to: 'open', reason: 'failure_rate', failures: 4, retryAfterMs: RECOVERY_MS },
      ]);
    });

    it('opens at exactly that share', () => {
      create({ failureRate: 0.3, minimumCalls: 10, window: 60_000 });
      settle('success', 7);
      settle('failure', 3);
      expect(breaker.state).toBe('open');
    });

    it('stays closed with fewer calls than minimumCalls', () => {
      create({ failureRate: 0.3, minimumCalls: 10, window: 60_000 });
      settle('failure', 9);
      expect(breaker.state).toBe('closed');
    });

    it('opens with the call that makes the minimum full, even if it succeeds', () => {
      create({ failureRate: 0.3, minimumCalls: 10, window: 60_000 });
      settle('failure', 9);
      settle('success');
      expect([breaker.state, breaker.failures]).toEqual(['open', 9]);
    });

    it('does not count ignored outcomes as calls', () => {
      create({ failureRate: 0.5, minimumCalls: 3, window: 60_000 });
      settle('failure', 2);
      settle('ignored', 10);
      expect([breaker.state, counted()]).toEqual(['closed', [2, 2, 0]]);
    });

    it('works beside consecutive failures: the first condition met opens the circuit', () => {
      create({ failureThreshold: 3, failureRate: 0.5, minimumCalls: 4, window: 60_000 });
      settle('failure', 3);
      expect(changes[0]?.reason).toBe('consecutive_failures');
      create({ failureThreshold: 3, failureRate: 0.5, minimumCalls: 4, window: 60_000 });
      settle('failure');
      settle('success');
      settle('failure');
      expect(breaker.failures).toBe(1);
      settle('success');
      expect(changes[0]?.reason).toBe('failure_rate');
    });

    it('begins with no calls after it has closed again', () => {
      create({ failureRate: 0.5, minimumCalls: 4, window: 600_000 });
      settle('failure', 4);
      clock.advance(RECOVERY_MS);
      settle('success');
      expect([breaker.state, counted(), breaker.failures]).toEqual(['closed', [0, 0, 0], 0]);
      settle('failure', 3);
      expect(breaker.state).toBe('closed');
    });
  });

  describe('within a window of time', () => {
    it('an idle hour leaves no stale sample', () => {
      create({ failureRate: 0.5, minimumCalls: 4, window: 60_000 });
      settle('failure', 3);
      clock.advance(3_600_000);
      expect(counted()).toEqual([0, 0, 0]);
      settle('failure');
      expect([breaker.state, counted()]).toEqual(['closed', [1, 1, 0]]);
    });

    it('forgets calls by twentieths of the window', () => {
      create({ failureRate: 1, minimumCalls: 100, window: 20_000 });
      settle('failure');
      clock.advance(999);
      settle('success');
      clock.advance(1);
      settle('failure', 2);
      clock.advance(18_999);
      expect(counted()).toEqual([4, 3, 0]);
      clock.advance(1);
      expect(counted()).toEqual([2, 2, 0]);
      clock.advance(1_000);
      expect(counted()).toEqual([0, 0, 0]);
    });
  });

  describe('within a window of calls', () => {
    it('goes by the last so many', () => {
      create({ failureRate: 0.5, window: { calls: 4 } });
      settle('failure');
      settle('success', 3);
      expect(counted()).toEqual([4, 1, 0]);
      settle('failure');
      expect(counted()).toEqual([4, 1, 0]);
      settle('success', 3);
      settle('failure');
      expect(breaker.state).toBe('closed');
      settle('failure');
      expect([breaker.state, breaker.failures]).toEqual(['open', 2]);
    });

    it('an idle hour leaves no stale sample', () => {
      create({ failureRate: 0.5, window: { calls: 4 } });
      settle('failure', 3);
      clock.advance(3_600_000);
      expect(counted()).toEqual([0, 0, 0]);
      settle('failure');
      expect([breaker.state, counted()]).toEqual(['closed', [1, 1, 0]]);
    });

    it('forgets each call when it reaches the greatest age', () => {
      create({ failureRate: 1, window: { calls: 5, maxAge: 10_000 } });
      settle('failure');
      clock.advance(4_000);
      settle('success', 2);
      clock.advance(5_999);
      expect(counted()).toEqual([3, 1, 0]);
      clock.advance(1);
      expect(counted()).toEqual([2, 0, 0]);
      settle('failure', 4);
      expect(counted()).toEqual([5, 4, 0]);
    });

    it('bounds how long consecutive failures count, too', () => {
      create({ failureThreshold: 3, window: { calls: 10, maxAge: 10_000 } });
      settle('failure', 2);
      clock.advance(10_000);
      settle('failure', 2);
      expect([breaker.state, breaker.failures]).toEqual(['closed', 2]);
    });
  });

  describe('of slow calls', () => {
    const slowRule = { slowCallRate: 0.5, slowCallDuration: 1_000, minimumCalls: 4, window: 60_000 };

    it('opens when too many calls are slow, even if all succeed', () => {
      create(slowRule);
      take(999);
      take(999);
      take(1_000);
      expect([breaker.state, counted()]).toEqual(['closed', [3, 0, 1]]);
      take(5_000);
      expect([breaker.state, changes[0]?.reason, breaker.failures]).toEqual(['open', 'slow_call_rate', 0]);
      expect(breaker.refusal().message).toBe(
        'The circuit is open after too many slow calls. Try again in 30 s, and find out why calls fail. See nest-service-discovery/docs/reference/errors.md#CIRCUIT_OPEN',
      );
    });

    it('counts slow failures as slow, too', () => {
      create({ ...slowRule, failureRate: 1 });
      take(1_000, 'failure');
      take(1, 'failure');
      take(1);
      take(1_000);
      expect([changes[0]?.reason, changes[0]?.failures]).toEqual(['slow_call_rate', 2]);
    });

    it('opens again when a probe is slow', () => {
      create(slowRule);
      for (let call = 0; call < 4; call++) take(1_000);
      clock.advance(RECOVERY_MS);
      take(1_000);
      expect([breaker.state, changes.at(-1)?.reason]).toEqual(['open', 'probe_slow']);
      clock.advance(RECOVERY_MS);
      take(999);
      expect(breaker.state).toBe('closed');
    });

    it('does not measure durations without a slow-call rate', () => {
      create({ failureRate: 0.5, slowCallDuration: 10, minimumCalls: 1 });
      take(5_000);
      expect([breaker.state, counted()]).toEqual(['closed', [1, 0, 0]]);
      settle('failure');
      expect(breaker.refusal().message).toMatch(/after too many failures/);
    });
  });

  it('reports the counts that the rates are computed from', () => {
    create({ failureRate: 0.5, minimumCalls: 10, window: 60_000, halfOpenPermits: 3 });
    expect(breaker.snapshot()).toEqual({
      state: 'closed',
      forced: undefined,
      failures: 0,
      window: { calls: 0, failed: 0, slow: 0 },
      stateAgeMs: 0,
      retryAfterMs: undefined,
      probes: 0,
      share: 1,
    });
    settle('failure');
    settle('success', 3);
    clock.advance(5_000);
    expect(breaker.snapshot()).toMatchObject({
      failures: 1,
      window: { calls: 4, failed: 1, slow: 0, failureRate: 0.25, slowCallRate: 0 },
      stateAgeMs: 5_000,
    });
    settle('failure', 6);
    clock.advance(10_000);
    expect(breaker.snapshot()).toMatchObject({ state: 'open', failures: 7, stateAgeMs: 10_000, retryAfterMs: 20_000 });
    clock.advance(20_000);
    acquire();
    acquire();
    expect(breaker.snapshot()).toMatchObject({ state: 'half_open', probes: 2, stateAgeMs: 0, retryAfterMs: undefined });
    breaker.isolate();
    expect(breaker.snapshot()).toMatchObject({ state: 'isolated', forced: 'isolated', probes: 0 });
    create({ failureThreshold: 5 });
    expect(breaker.snapshot().window).toBeUndefined();
  });
});
