import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  DeadlineExceededError,
  InvalidConfigurationError,
  sleep,
  type ServiceDiscoveryError,
} from '../../common/index.js';
import { type EventName } from '../../model/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { type ResiliencePolicyOptions, resolveResiliencePolicyOptions } from './resilience-policy-options.js';
import { ResiliencePolicy } from './resilience-policy.js';

/** The stages that refuse calls because of load, as parts of a policy. */
describe('ResiliencePolicy', () => {
  let clock: ManualClock;
  let events: { type: EventName; payload: object }[];
  let calls: number;

  const policyWith = (options: ResiliencePolicyOptions): ResiliencePolicy => {
    const sink = { emit: (type: EventName, payload: object) => void events.push({ type, payload }) };
    return new ResiliencePolicy(options, { clock, random: () => 0.5, events: sink, name: 'users' });
  };
  const up = async (): Promise<string> => `answer ${++calls}`;
  const hanging = (): Promise<never> => new Promise(() => void calls++);
  const failure = (promise: Promise<unknown>): Promise<ServiceDiscoveryError> =>
    promise.then(
      () => Promise.reject(new Error('it was let through')),
      (error: ServiceDiscoveryError) => error,
    );
  const refused = (stage: string, code: string, retryAfterMs?: number): object => ({
    type: 'call.refused',
    payload: { service: 'users', stage, code, retryAfterMs },
  });

  beforeEach(() => {
    clock = new ManualClock();
    events = [];
    calls = 0;
  });

  afterEach(() => {
    expect(clock.pendingTimers).toBe(0);
  });

  describe('with a rate limit', () => {
    it('refuses excess calls with an event, and neither retries nor counts them', async () => {
      const policy = policyWith({
        rateLimit: { rate: 10, burst: 1 },
        retry: {},
        circuitBreaker: { failureThreshold: 1 },
      });
      await policy.execute(up);
      clock.advance(40);
      expect(await failure(policy.execute(up))).toMatchObject({
        code: 'RATE_LIMITED',
        service: 'users',
        attempts: 0,
        retryAfterMs: 60,
      });
      expect(events).toEqual([refused('rate_limit', 'RATE_LIMITED', 60)]);
      expect([calls, policy.circuitBreaker?.state]).toEqual([1, 'closed']);
    });

    it('counts a call once, however often it is retried', async () => {
      const policy = policyWith({
        rateLimit: { rate: 1, burst: 1 },
        retry: { maxAttempts: 3, baseDelay: 0, jitter: 'none' },
      });
      const third = async (): Promise<string> => (++calls < 3 ? Promise.reject(new Error('down')) : 'up');
      const call = policy.execute(third);
      await clock.advanceAsync(0);
      await expect(call).resolves.toBe('up');
    });

    it('queues a call, and refuses one at once that would wait too long', async () => {
      const policy = policyWith({ timeout: 250, rateLimit: { rate: 10, burst: 1, maxWait: 250 } });
      const waiting = [policy.execute(up), policy.execute(up), policy.execute(up)];
      expect(await failure(policy.execute(up))).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 300 });
      await clock.advanceAsync(200);
      await expect(Promise.all(waiting)).resolves.toEqual(['answer 1', 'answer 2', 'answer 3']);
    });

    it('waits outside of the bulkhead, without holding a slot', async () => {
      const policy = policyWith({ rateLimit: { rate: 10, burst: 1, maxWait: '1s' }, bulkhead: { maxConcurrent: 1 } });
      const calling = [policy.execute(up), policy.execute(up), policy.execute(up)];
      await clock.advanceAsync(200);
      await expect(Promise.all(calling)).resolves.toHaveLength(3);
      expect(events).toEqual([]);
    });

    it('reports no refusal when a caller aborts while it waits', async () => {
      const policy = policyWith({ rateLimit: { rate: 1, maxWait: '10s' } });
      await policy.execute(up);
      const controller = new AbortController();
      const waiting = failure(policy.execute(up, controller.signal));
      controller.abort(new Error('gone'));
      expect((await waiting).message).toBe('gone');
      const late = new AbortController();
      const tooLate = failure(policy.execute(up, late.signal));
      late.abort(new DeadlineExceededError(1));
      expect((await tooLate).code).toBe('DEADLINE_EXCEEDED');
      expect([calls, events]).toEqual([1, []]);
    });
  });

  describe('with throttling', () => {
    const throttling = { minRequests: 2 };
    const overloaded = (): Promise<never> => {
      calls++;
      return Promise.reject(Object.assign(new Error('too much'), { status: 503 }));
    };

    it('drops calls with an event while too many are rejected, and neither retries nor counts them', async () => {
      const policy = policyWith({ throttling, retry: false, circuitBreaker: { failureThreshold: 3 } });
      for (let made = 0; made < 2; made++) await failure(policy.execute(overloaded));
      expect(await failure(policy.execute(up))).toMatchObject({ code: 'THROTTLED', service: 'users', attempts: 0 });
      expect(events).toEqual([refused('throttling', 'THROTTLED')]);
      expect([calls, policy.circuitBreaker?.failures]).toEqual([2, 2]);
    });

    it('counts the final outcome of a call, not its attempts', async () => {
      const policy = policyWith({ throttling, retry: { maxAttempts: 2, baseDelay: 0, jitter: 'none' } });
      for (let made = 0; made < 10; made++) {
        let attempt = 0;
        const call = policy.execute(() => (++attempt === 1 ? overloaded() : up()));
        await clock.advanceAsync(0);
        await call;
      }
      expect(events.filter(({ type }) => type === 'call.refused')).toEqual([]);
    });

    it('does not count a call against the callee that ran out of time before it was sent', async () => {
      const policy = policyWith({ throttling, timeout: 100, bulkhead: { maxConcurrent: 1, maxQueue: 20 } });
      const first = policy.execute(() => sleep(clock, 60));
      await clock.advanceAsync(10);
      const waiting = Array.from({ length: 12 }, () => policy.execute(() => sleep(clock, 49)));
      const ended = Promise.allSettled(waiting);
      await clock.advanceAsync(99);
      clock.advance(1);
      await first;
      expect((await ended).filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      await clock.advanceAsync(100);
      expect(await policy.execute(up)).toBe('answer 1');
    });

    it('takes a deadline that passed for a callee that is overloaded', async () => {
      const policy = policyWith({ throttling, timeout: 100 });
      for (let made = 0; made < 2; made++) {
        const call = failure(policy.execute(hanging));
        await clock.advanceAsync(100);
        expect((await call).code).toBe('DEADLINE_EXCEEDED');
      }
      expect((await failure(policy.execute(up))).code).toBe('THROTTLED');
    });
  });

  describe('with a bulkhead', () => {
    it('reports refusals, at once or after a wait, and no failures of calls that run', async () => {
      const policy = policyWith({ bulkhead: { maxConcurrent: 1, maxQueue: 1, maxWait: '1s' } });
      const controller = new AbortController();
      const running = failure(policy.execute(hanging, controller.signal));
      const waiting = failure(policy.execute(up));
      expect((await failure(policy.execute(up))).code).toBe('BULKHEAD_FULL');
      await clock.advanceAsync(1_000);
      expect((await waiting).code).toBe('BULKHEAD_FULL');
      expect(events).toEqual([refused('bulkhead', 'BULKHEAD_FULL'), refused('bulkhead', 'BULKHEAD_FULL')]);
      controller.abort();
      await running;
      const inner = failure(
        policyWith({ bulkhead: { maxConcurrent: 1 } }).execute(async () => Promise.reject(await waiting)),
      );
      expect((await inner).code).toBe('BULKHEAD_FULL');
      expect([calls, events.length]).toEqual([1, 2]);
    });
  });

  describe('with adaptive concurrency', () => {
    it('refuses calls beyond the limit with an event, and neither retries nor counts them', async () => {
      const policy = policyWith({
        adaptiveConcurrency: { max: 1 },
        retry: {},
        circuitBreaker: { failureThreshold: 1 },
      });
      const controller = new AbortController();
      const running = failure(policy.execute(hanging, controller.signal));
      expect(await failure(policy.execute(up))).toMatchObject({
        code: 'CONCURRENCY_LIMITED',
        service: 'users',
        attempts: 0,
      });
      expect(events).toEqual([refused('adaptive_concurrency', 'CONCURRENCY_LIMITED')]);
      expect(policy.circuitBreaker?.state).toBe('closed');
      controller.abort();
      await running;
      await expect(policy.execute(up)).resolves.toBe('answer 2');
    });

    it('does not take the waits of a call that is retried for the time of the callee', async () => {
      const policy = policyWith({
        adaptiveConcurrency: { initial: 40, min: 10 },
        retry: { maxAttempts: 2, baseDelay: '10s', jitter: 'none', budget: false },
      });
      const round = async (failing: boolean): Promise<void> => {
        const calling = Array.from({ length: 40 }, () => {
          let attempt = 0;
          return policy.execute(async () => {
            await sleep(clock, 50);
            if (failing && ++attempt === 1) throw new Error('down');
          });
        });
        await clock.advanceAsync(failing ? 10_200 : 100);
        await Promise.all(calling);
      };
      for (let times = 0; times < 5; times++) await round(false);
      for (let times = 0; times < 5; times++) await round(true);
      await round(false);
      expect(events.filter(({ type }) => type === 'call.refused')).toEqual([]);
    });

    it('takes deadlines that pass for a callee that is overloaded', async () => {
      const policy = policyWith({ adaptiveConcurrency: { initial: 40, min: 10 }, timeout: 100 });
      const rounds = async (): Promise<void> => {
        const ended = Array.from({ length: 40 }, () => failure(policy.execute(hanging)));
        await clock.advanceAsync(100);
        await Promise.all(ended);
      };
      for (let round = 0; round < 5; round++) await rounds();
      calls = 0;
      await rounds();
      expect(calls).toBe(10);
    });
  });

  it('puts the stages in their order, with their settings', () => {
    const stages = policyWith({
      bulkhead: { maxConcurrent: 5, maxQueue: 2, maxWait: '1s' },
      adaptiveConcurrency: { max: 50 },
      throttling: { k: 1.5 },
      rateLimit: { rate: 2.5, per: '1m' },
      timeout: '2s',
      retry: {},
    }).describe();
    expect(stages.map(({ stage }) => stage)).toEqual([
      'deadline',
      'rate_limit',
      'throttling',
      'bulkhead',
      'adaptive_concurrency',
      'retry',
    ]);
    expect(stages[1]?.options).toEqual({ rate: 2.5, per: 60_000, burst: 2, maxWait: 0 });
    expect(stages[2]?.options).toEqual({ k: 1.5, window: 120_000, minRequests: 10, maxRejection: 0.9 });
    expect(stages[3]?.options).toEqual({ maxConcurrent: 5, maxQueue: 2, maxWait: 1_000 });
    expect(stages[4]?.options).toMatchObject({ initial: 20, min: 4, max: 50, tolerance: 1.5, window: 100 });
  });

  it('refuses options that contradict each other', () => {
    const resolve = (options: ResiliencePolicyOptions) => (): unknown =>
      resolveResiliencePolicyOptions(options, 'users');
    const tooLong = resolve({
      timeout: '1s',
      rateLimit: { rate: 1, maxWait: '2s' },
      bulkhead: { maxConcurrent: 1, maxQueue: 1, maxWait: '3s' },
      adaptiveConcurrency: { maxWait: '4s' },
    });
    expect(tooLong).toThrow(InvalidConfigurationError);
    expect(tooLong).toThrow(
      'users.rateLimit.maxWait: expected a duration not longer than timeout, which is 1000ms, but got "2s"',
    );
    expect(tooLong).toThrow(
      'users.bulkhead.maxWait: expected a duration not longer than timeout, which is 1000ms, but got "3s"',
    );
    expect(tooLong).toThrow('users.adaptiveConcurrency.maxWait: expected a duration not longer than timeout');
    expect(resolve({ timeout: '10ms', adaptiveConcurrency: {} })).not.toThrow();
    expect(resolve({ rateLimit: { rate: 0 } })).toThrow('users.rateLimit.rate');
    expect(resolve({ rateLimit: false, bulkhead: false })).not.toThrow();
  });
});
