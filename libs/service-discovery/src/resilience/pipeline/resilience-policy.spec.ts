import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  AttemptTimeoutError,
  BulkheadFullError,
  CircuitOpenError,
  DeadlineExceededError,
  InvalidConfigurationError,
  type OutcomeClass,
  ResponseStatusError,
  sleep,
} from '../../common/index.js';
import { type EventName } from '../../model/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { ResiliencePolicy } from './resilience-policy.js';
import { RetryBudget } from '../retry/retry-budget.js';
import { type ResiliencePolicyOptions, resolveResiliencePolicyOptions } from './resilience-policy-options.js';

type Failed = Error & { attempts?: number; code?: string; retryAfterMs?: number };

const hanging = (): Promise<never> => new Promise(() => undefined);
const everyStage: ResiliencePolicyOptions = {
  timeout: 1_000,
  rateLimit: { rate: 1_000 },
  throttling: {},
  bulkhead: { maxConcurrent: 1 },
  adaptiveConcurrency: {},
  hedging: { delay: 50 },
  circuitBreaker: {},
  attemptTimeout: 100,
  coalescing: true,
  lastGood: {},
  chaos: {},
};
const steady = { baseDelay: 100, jitter: 'none', budget: false } as const;

/** The error of a promise that must reject. */
async function failure(promise: Promise<unknown>): Promise<Failed> {
  return promise.then(
    () => {
      throw new Error('expected a rejection');
    },
    (error: unknown) => error as Failed,
  );
}

describe('ResiliencePolicy', () => {
  let clock: ManualClock;
  let events: { type: EventName; payload: object }[];
  /** How often `down` and `flaky` were called. */
  let calls: number;

  const policyWith = (options: ResiliencePolicyOptions, random = () => 0.5): ResiliencePolicy => {
    const sink = { emit: (type: EventName, payload: object) => void events.push({ type, payload }) };
    return new ResiliencePolicy(options, { clock, random, events: sink, name: 'users' });
  };
  const down = (): Promise<never> => {
    calls++;
    return Promise.reject(new Error(`down ${calls}`));
  };
  /** Fails so many times, then answers. */
  const flaky = (failures: number) => async (): Promise<string> => {
    if (++calls <= failures) throw new Error(`down ${calls}`);
    return 'up';
  };

  beforeEach(() => {
    clock = new ManualClock();
    events = [];
    calls = 0;
  });

  afterEach(() => {
    expect(clock.pendingTimers).toBe(0);
  });

  describe('the order of its stages', () => {
    const everything: ResiliencePolicyOptions = {
      attemptTimeout: 100,
      circuitBreaker: { failureThreshold: 2 },
      retry: steady,
      bulkhead: { maxConcurrent: 1, maxQueue: 1 },
      timeout: 1_000,
      coalescing: true,
      lastGood: {},
      chaos: {},
      fallback: () => 'fallback',
    };

    it('does not depend on the order of the options', () => {
      const stages = policyWith(everything).describe();
      expect(stages.map(({ stage }) => stage)).toEqual([
        'fallback',
        'last_good',
        'coalescing',
        'deadline',
        'bulkhead',
        'retry',
        'circuit_breaker',
        'attempt_timeout',
        'chaos',
      ]);
      expect(stages.every(({ purpose }) => purpose.length > 0)).toBe(true);
      expect(stages[3]?.options).toEqual({ timeoutMs: 1_000 });
      expect(stages[6]?.options).toMatchObject({ failureThreshold: 2, recoveryTimeout: 60_000 });
    });

    it('has only the stages that were asked for', () => {
      expect(policyWith({}).describe()).toEqual([]);
      const stages = ['retry', 'circuitBreaker', 'bulkhead', 'coalescing', 'lastGood', 'chaos'];
      const off = { ...Object.fromEntries(stages.map((stage) => [stage, false])), timeout: '5ms' } as const;
      expect(policyWith(off).describe()).toMatchObject([{ stage: 'deadline' }]);
    });

    it('puts the fallback outside of the deadline', async () => {
      const policy = policyWith({ timeout: 100, fallback: (error) => (error as Error).name });
      const call = policy.execute<string>(hanging);
      await clock.advanceAsync(100);
      await expect(call).resolves.toBe('DeadlineExceededError');
    });

    it('puts the deadline outside of the queue: waiting for a slot counts', async () => {
      const policy = policyWith({ timeout: 100, bulkhead: { maxConcurrent: 1, maxQueue: 1 } });
      const holding = failure(policy.execute(hanging));
      await clock.advanceAsync(50);
      let over = false;
      const waiting = failure(policy.execute(hanging)).finally(() => (over = true));
      await clock.advanceAsync(50);
      expect((await holding).code).toBe('DEADLINE_EXCEEDED');
      await clock.advanceAsync(49);
      expect(over).toBe(false);
      await clock.advanceAsync(1);
      expect(await waiting).toMatchObject({ code: 'DEADLINE_EXCEEDED', attempts: 1 });
    });

    it('puts the bulkhead outside of the retry: a call keeps its slot while it backs off', async () => {
      const policy = policyWith({ bulkhead: { maxConcurrent: 1 }, retry: steady });
      const call = policy.execute(flaky(1));
      await clock.advanceAsync(50);
      expect(await failure(policy.execute(flaky(0)))).toBeInstanceOf(BulkheadFullError);
      await clock.advanceAsync(50);
      await expect(call).resolves.toBe('up');
      expect(calls).toBe(2);
    });

    it('puts the bulkhead outside of the breaker: a rejection is neither retried nor counted', async () => {
      const policy = policyWith({
        bulkhead: { maxConcurrent: 1 },
        retry: steady,
        circuitBreaker: { failureThreshold: 1 },
      });
      const controller = new AbortController();
      const running = failure(policy.execute(hanging, controller.signal));
      for (let call = 0; call < 10; call++) {
        expect(await failure(policy.execute(down))).toMatchObject({ code: 'BULKHEAD_FULL', attempts: 0 });
      }
      expect([calls, policy.circuitBreaker?.state]).toEqual([0, 'closed']);
      expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['call.refused']));
      controller.abort();
      await running;
    });

    it('puts the retry outside of the breaker: each attempt counts, and an open circuit ends the call', async () => {
      const policy = policyWith({ retry: { ...steady, maxAttempts: 5 }, circuitBreaker: { failureThreshold: 2 } });
      const call = failure(policy.execute(down));
      await clock.advanceAsync(10_000);
      expect(await call).toMatchObject({ code: 'CIRCUIT_OPEN', attempts: 2 });
      expect(calls).toBe(2);
    });

    it('puts the breaker outside of the attempt timeout: a slow attempt is a failed one', async () => {
      const policy = policyWith({ attemptTimeout: 100, circuitBreaker: { failureThreshold: 1 } });
      const call = failure(policy.execute(hanging));
      await clock.advanceAsync(100);
      expect(await call).toBeInstanceOf(AttemptTimeoutError);
      expect(policy.circuitBreaker?.state).toBe('open');
    });
  });

  describe('calling the function', () => {
    it('hands on its result, with no stage and with all of them', async () => {
      await expect(policyWith({}).execute(flaky(0))).resolves.toBe('up');
      const all = {
        timeout: 1_000,
        attemptTimeout: 100,
        retry: {},
        circuitBreaker: {},
        bulkhead: { maxConcurrent: 1 },
      };
      await expect(policyWith(all).execute(flaky(0))).resolves.toBe('up');
    });

    it('takes a function that returns a value rather than a promise, and calls it once', async () => {
      const count = (): number => ++calls;
      expect(await policyWith({}).execute(count)).toBe(1);
      expect(await policyWith({ ...everyStage, retry: steady }).execute(count)).toBe(2);
      expect(events).toEqual([]);
    });

    it('takes an error that the function throws at once for one that its promise rejects with', async () => {
      const policy = policyWith({ ...everyStage, retry: { ...steady, maxAttempts: 2 }, circuitBreaker: {} });
      const call = failure(
        policy.execute(() => {
          throw new Error(`down ${++calls}`);
        }),
      );
      await clock.advanceAsync(100);
      expect(await call).toMatchObject({ message: 'down 2', attempts: 2 });
      expect(policy.circuitBreaker?.failures).toBe(2);
    });

    it('hands on its error as it is, and notes the attempts', async () => {
      const error = new TypeError('no');
      const thrown = await failure(policyWith({}).execute(() => Promise.reject(error)));
      expect([thrown, thrown.attempts]).toEqual([error, 1]);
      expect(Object.keys(error)).not.toContain('attempts');
      const frozen = Object.freeze(new Error('frozen'));
      expect(await failure(policyWith({}).execute(() => Promise.reject(frozen)))).toBe(frozen);
    });

    it('keeps the attempts that an inner call noted, unless it repeated that call', async () => {
      const inner = (): Promise<never> => {
        calls++;
        return Promise.reject(new ResponseStatusError(503, {}, null, { attempts: 7 }));
      };
      expect((await failure(policyWith({}).execute(inner))).attempts).toBe(7);
      const call = failure(policyWith({ retry: { ...steady, maxAttempts: 2 } }).execute(inner));
      await clock.advanceAsync(100);
      expect((await call).attempts).toBe(2);
    });

    it('gives it a signal that tells it to stop', async () => {
      const signals: AbortSignal[] = [];
      const call = policyWith({ timeout: 150, attemptTimeout: 100, retry: { ...steady, baseDelay: 0 } }).execute(
        (signal) => {
          signals.push(signal);
          return hanging();
        },
      );
      const failed = failure(call);
      await clock.advanceAsync(150);
      expect((await failed).code).toBe('DEADLINE_EXCEEDED');
      const reasons = signals.map(({ reason }) => (reason as Failed).code);
      expect(reasons).toEqual(['ATTEMPT_TIMEOUT', 'DEADLINE_EXCEEDED']);
    });

    it('does not call the function when the caller has already aborted, and leaves no listener on its signal', async () => {
      const signal = AbortSignal.abort(new Error('gone'));
      const policy = policyWith({ timeout: 100, attemptTimeout: '10ms', fallback: () => 'fallback' });
      expect((await failure(policy.execute(down, signal))).message).toBe('gone');
      expect(calls).toBe(0);
      const live = new AbortController();
      await policy.execute(down, live.signal);
      expect(getEventListeners(live.signal, 'abort')).toHaveLength(0);
    });
  });

  describe('retrying', () => {
    it('repeats the call until it succeeds, waiting longer each time, and reports each retry', async () => {
      const call = policyWith({ retry: { ...steady, maxAttempts: 4 } }).execute(flaky(3));
      const madeAfter: number[] = [];
      for (const ms of [0, 100, 199, 1, 399, 1]) {
        await clock.advanceAsync(ms);
        madeAfter.push(calls);
      }
      expect(madeAfter).toEqual([1, 2, 2, 3, 3, 4]);
      await expect(call).resolves.toBe('up');
      expect(events.map(({ type, payload }) => ({ type, ...payload }))).toEqual([
        { type: 'call.retried', service: 'users', attempt: 2, delayMs: 100, reason: 'down 1' },
        { type: 'call.retried', service: 'users', attempt: 3, delayMs: 200, reason: 'down 2' },
        { type: 'call.retried', service: 'users', attempt: 4, delayMs: 400, reason: 'down 3' },
      ]);
    });

    it('ends with the last error when the attempts are used up', async () => {
      const call = failure(policyWith({ retry: steady }).execute(down));
      await clock.advanceAsync(10_000);
      expect(await call).toMatchObject({ message: 'down 3', attempts: 3 });
    });

    it('abort during a backoff rejects at once and calls nothing after', async () => {
      const policy = policyWith({ retry: { ...steady, baseDelay: '60s' }, circuitBreaker: {}, attemptTimeout: 100 });
      const controller = new AbortController();
      const call = failure(policy.execute(down, controller.signal));
      await clock.advanceAsync(1_000);
      const reason = new Error('the user left');
      controller.abort(reason);
      expect(await call).toBe(reason);
      await clock.advanceAsync(3_600_000);
      expect([calls, policy.circuitBreaker?.failures]).toEqual([1, 0]);
      expect(reason).not.toHaveProperty('attempts');
    });

    it('calls nothing for a caller that aborts in the moment in which the backoff ends', async () => {
      const controller = new AbortController();
      const call = failure(policyWith({ retry: steady }).execute(down, controller.signal));
      await clock.advanceAsync(99);
      clock.advance(1);
      controller.abort(new Error('gone'));
      expect((await call).message).toBe('gone');
      expect(calls).toBe(1);
    });

    it("retries neither a caller's abort nor an answer nor a fault that stays", async () => {
      const policy = policyWith({ retry: steady });
      const controller = new AbortController();
      const aborted = failure(
        policy.execute(() => {
          calls++;
          return hanging();
        }, controller.signal),
      );
      controller.abort(new Error('whatever the reason'));
      await aborted;
      for (const status of [404, 501]) {
        const answer = new ResponseStatusError(status, {}, null);
        expect(await failure(policy.execute(() => (calls++, Promise.reject(answer))))).toBe(answer);
      }
      expect([calls, events]).toEqual([3, []]);
    });

    it("uses the user's `retryIf`", async () => {
      const retryIf = (error: unknown): boolean => (error as Error).message === 'down 1';
      const call = failure(policyWith({ retry: { ...steady, maxAttempts: 5, retryIf } }).execute(down));
      await clock.advanceAsync(10_000);
      expect(await call).toMatchObject({ message: 'down 2', attempts: 2 });
    });

    it("uses the user's `classify` in every stage", async () => {
      const classify = (error: unknown): OutcomeClass => (error as { kind: OutcomeClass }).kind;
      const failing = (kind: OutcomeClass) => async (): Promise<never> => {
        calls++;
        throw Object.assign(new Error(kind), { kind, status: 503 });
      };
      const policy = policyWith({ classify, retry: steady, circuitBreaker: { failureThreshold: 4 }, lastGood: {} });
      const callsOf = async (kind: OutcomeClass): Promise<number> => {
        calls = 0;
        const call = failure(policy.execute(failing(kind), undefined, undefined, 'key'));
        await clock.advanceAsync(10_000);
        expect((await call).message).toBe(kind);
        return calls;
      };
      expect(await callsOf('retryable')).toBe(3);
      expect(policy.circuitBreaker?.failures).toBe(3);
      for (const kind of ['success', 'ignored', 'failure'] as const) expect(await callsOf(kind)).toBe(1);
      expect(policy.circuitBreaker?.failures).toBe(1);

      expect(await policy.execute(() => 'good', undefined, undefined, 'key')).toBe('good');
      expect(await policy.execute(failing('failure'), undefined, undefined, 'key')).toBe('good');
      await callsOf('success');
      await callsOf('failure');
    });

    it('repeats only the errors that retryableErrors lists, and statuses by themselves', async () => {
      const policy = policyWith({ retry: { ...steady, maxAttempts: 2, retryableErrors: ['ECONNRESET'] } });
      const failing = (error: object): Promise<Failed> =>
        failure(policy.execute(() => Promise.reject(Object.assign(new Error('down'), error))));
      const ends = [failing({ code: 'ECONNREFUSED' }), failing({ code: 'ECONNRESET' }), failing({ status: 503 })];
      await clock.advanceAsync(100);
      expect((await Promise.all(ends)).map(({ attempts }) => attempts)).toEqual([1, 2, 2]);
    });

    it('Retry-After is obeyed', async () => {
      const busy = (seconds: string) => async (): Promise<string> => {
        if (++calls % 2 === 1) throw new ResponseStatusError(503, { 'retry-after': seconds }, null);
        return 'up';
      };
      const policy = policyWith({ retry: { ...steady, maxAttempts: 2 } });
      const asked = policy.execute(busy('2'));
      await clock.advanceAsync(1_999);
      expect(calls).toBe(1);
      await clock.advanceAsync(1);
      await expect(asked).resolves.toBe('up');
      const atOnce = policy.execute(busy('0'));
      await clock.advanceAsync(100);
      await expect(atOnce).resolves.toBe('up');
      expect(events.map(({ payload }) => (payload as { delayMs: number }).delayMs)).toEqual([2_000, 100]);
    });

    it('does not wait for a Retry-After beyond the deadline or the greatest delay', async () => {
      const busy = (): Promise<never> => {
        calls++;
        return Promise.reject(new ResponseStatusError(503, { 'retry-after': '30' }, null));
      };
      const deadline = failure(policyWith({ timeout: '30s', retry: steady }).execute(busy));
      const greatest = failure(policyWith({ retry: { ...steady, maxDelay: '29s' } }).execute(busy));
      expect((await deadline).code).toBe('RESPONSE_STATUS');
      expect((await greatest).code).toBe('RESPONSE_STATUS');
      expect(calls).toBe(2);
    });

    it('waits as long as a pushback asks, in place of the backoff, and ends the call at one that refuses', async () => {
      const answers = ['30', '-1'];
      const pushing = (): Promise<never> => {
        const pushback = answers[calls++];
        return Promise.reject(new ResponseStatusError(503, { 'grpc-retry-pushback-ms': pushback }, null));
      };
      const call = failure(policyWith({ retry: steady }).execute(pushing));
      await clock.advanceAsync(30);
      expect(await call).toMatchObject({ code: 'RESPONSE_STATUS', attempts: 2 });
      expect(events).toMatchObject([{ type: 'call.retried', payload: { delayMs: 30 } }]);
    });

    it("ends the call with the attempt's own error when the budget is exhausted", async () => {
      const budget = { ratio: 0, minPerSecond: 1, window: '1s' } as const;
      const policy = policyWith({ retry: { ...steady, budget, baseDelay: 0 } });
      expect(await failure(policy.execute(down))).toMatchObject({ message: 'down 2', attempts: 2 });
      expect(await failure(policy.execute(down))).toMatchObject({ message: 'down 3', attempts: 1 });
    });

    it('refuses a key in the place of the signal, and makes no call', async () => {
      let calls = 0;
      const call = new ResiliencePolicy({}).execute(async () => ++calls, 'key' as never);
      await expect(call).rejects.toMatchObject({
        code: 'INVALID_REQUEST',
        message:
          'signal: expected an AbortSignal, but got "key". See nest-service-discovery/docs/reference/errors.md#INVALID_REQUEST',
      });
      expect(calls).toBe(0);
    });

    it('retry on the open circuit carries retryAfterMs', async () => {
      const policy = policyWith({ retry: steady, circuitBreaker: { failureThreshold: 1, recoveryTimeout: '5s' } });
      const first = failure(policy.execute(down));
      await clock.advanceAsync(1_000);
      expect(await first).toMatchObject({ code: 'CIRCUIT_OPEN', attempts: 1, retryAfterMs: 4_900 });
      const refused = await failure(policy.execute(down));
      expect(refused).toBeInstanceOf(CircuitOpenError);
      expect(refused).toMatchObject({ attempts: 0, retryAfterMs: 4_000 });
      expect(calls).toBe(1);
    });

    it('waits for the circuit when the deadline leaves time for it', async () => {
      const circuitBreaker = { failureThreshold: 1, recoveryTimeout: '5s' } as const;
      const policy = policyWith({ timeout: '20s', retry: steady, circuitBreaker });
      const call = policy.execute(flaky(1));
      await clock.advanceAsync(4_999);
      expect(calls).toBe(1);
      await clock.advanceAsync(1);
      await expect(call).resolves.toBe('up');
      expect([calls, policy.circuitBreaker?.state]).toEqual([2, 'closed']);
    });

    it('does not wait for a circuit that was opened by hand', async () => {
      const policy = policyWith({ timeout: '20s', retry: steady, circuitBreaker: {} });
      policy.circuitBreaker?.isolate();
      expect(await failure(policy.execute(down))).toMatchObject({ code: 'CIRCUIT_OPEN', attempts: 0 });
    });
  });

  describe('limiting time', () => {
    it('ends the call at its deadline though the function hangs, with the last error as the cause', async () => {
      const policy = policyWith({ timeout: 1_000, retry: { ...steady, maxAttempts: 2 } });
      const call = failure(policy.execute(() => (calls === 0 ? down() : hanging())));
      await clock.advanceAsync(1_000);
      const error = await call;
      expect(error).toBeInstanceOf(DeadlineExceededError);
      expect(error).toMatchObject({ service: 'users', timeoutMs: 1_000, attempts: 2 });
      expect(error.cause).toMatchObject({ message: 'down 1' });
    });

    it('does not start a delay that would outlast the deadline', async () => {
      const policy = policyWith({ timeout: 250, retry: { ...steady, maxAttempts: 10 } });
      const call = failure(policy.execute(down));
      await clock.advanceAsync(100);
      expect(await call).toMatchObject({ message: 'down 2', attempts: 2 });
    });

    it('repeats an attempt that timed out', async () => {
      const policy = policyWith({ attemptTimeout: '50ms', retry: steady });
      const call = policy.execute(() => (++calls === 1 ? hanging() : Promise.resolve('up')));
      await clock.advanceAsync(150);
      await expect(call).resolves.toBe('up');
      expect(events).toMatchObject([{ payload: { reason: 'ATTEMPT_TIMEOUT' } }]);
    });

    it('leaves no timer of a call that ended in time', async () => {
      const call = policyWith({ timeout: 1_000, attemptTimeout: 500 }).execute(() => sleep(clock, 10));
      await clock.advanceAsync(10);
      await call;
      expect(clock.pendingTimers).toBe(0);
    });
  });

  describe('falling back', () => {
    it('answers in place of the error that ended the call', async () => {
      const heard: unknown[] = [];
      const fallback = (error: unknown): string => {
        heard.push(error);
        return 'cached';
      };
      const call = policyWith({ fallback, retry: { ...steady, maxAttempts: 2 } }).execute<string>(down);
      await clock.advanceAsync(100);
      await expect(call).resolves.toBe('cached');
      expect(heard).toMatchObject([{ message: 'down 2', attempts: 2 }]);
    });

    it("prefers the call's own fallback, and passes on the error of a fallback", async () => {
      const policy = policyWith({ fallback: () => 'cached' });
      await expect(policy.execute<string>(down, undefined, () => Promise.resolve('own'))).resolves.toBe('own');
      const throwing = (): never => {
        throw new Error('no copy either');
      };
      await expect(policy.execute(down, undefined, throwing)).rejects.toThrow('no copy either');
    });

    it('does not answer a caller that has aborted, and is over when the caller aborts', async () => {
      let asked = 0;
      const fallback = (): Promise<never> => {
        asked++;
        return hanging();
      };
      const policy = policyWith({ fallback });
      const first = new AbortController();
      const running = failure(policy.execute(hanging, first.signal));
      first.abort(new Error('gone'));
      expect([(await running).message, asked]).toEqual(['gone', 0]);
      const second = new AbortController();
      const answering = failure(policy.execute(down, second.signal));
      await clock.advanceAsync(0);
      second.abort(new Error('gone too'));
      expect([(await answering).message, asked]).toEqual(['gone too', 1]);
    });
  });

  it('bounds the retries of several policies together by a budget that they share', async () => {
    const retryBudget = new RetryBudget({ ratio: 0, minPerSecond: 3, window: '1s' }, { clock });
    const create = (budget?: false): ResiliencePolicy =>
      new ResiliencePolicy({ retry: { ...steady, baseDelay: 0, budget } }, { clock, retryBudget });
    const [one, other, free] = [create(), create(), create(false)];
    expect(await failure(one.execute(down))).toMatchObject({ attempts: 3 });
    expect(await failure(other.execute(down))).toMatchObject({ attempts: 2 });
    expect(await failure(free.execute(down))).toMatchObject({ attempts: 3 });
  });

  it('counts its calls in the budget that it shares, once each', async () => {
    const retryBudget = new RetryBudget({ ratio: 0.5, minPerSecond: 0 }, { clock });
    const policy = new ResiliencePolicy({ retry: { ...steady, baseDelay: 0, budget: {} } }, { clock, retryBudget });
    for (let made = 0; made < 8; made++) await policy.execute(flaky(0));
    expect(retryBudget.available).toBe(4);
    expect(await failure(policy.execute(down))).toMatchObject({ attempts: 3 });
    expect(retryBudget.available).toBe(2);
  });

  it('shares circuit, slots and budget among all its calls and with no other policy', async () => {
    const options = { circuitBreaker: { failureThreshold: 2 } };
    const [one, other] = [policyWith(options), policyWith(options)];
    await failure(one.execute(down));
    await failure(one.execute(down));
    expect([one.circuitBreaker?.state, other.circuitBreaker?.state]).toEqual(['open', 'closed']);
    expect(events).toMatchObject([{ type: 'circuit.opened', payload: { service: 'users', failures: 2 } }]);
  });
});

describe('resolveResiliencePolicyOptions', () => {
  it('turns durations into milliseconds, and adds no stage', () => {
    expect(resolveResiliencePolicyOptions({ timeout: '2s', retry: false })).toEqual({ timeout: 2_000 });
    expect(resolveResiliencePolicyOptions({ circuitBreaker: {} }).circuitBreaker).toMatchObject({ window: 60_000 });
    expect(resolveResiliencePolicyOptions()).toEqual({});
  });

  it('lists the wrong values of all stages in one error', () => {
    const wrong = {
      timeout: 0,
      attemptTimeout: 'soon',
      retry: { maxAttempts: 0, jitter: 'some', retryIf: 'always', budget: { ratio: -1 } },
      circuitBreaker: { failureThreshold: '5', recoveryTimeout: -1 },
      bulkhead: { maxConcurrent: 1.5, maxQueue: -1 },
      coalescing: 'yes',
      lastGood: { maxAge: 0 },
      classify: 'ignored',
      chaos: { faultRate: 2 },
      fallback: 'cached',
    };
    let thrown: unknown;
    try {
      new ResiliencePolicy(wrong as unknown as ResiliencePolicyOptions);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(InvalidConfigurationError);
    const { problems, message } = thrown as InvalidConfigurationError;
    expect(problems.map(({ path }) => path).sort()).toEqual([
      'attemptTimeout',
      'bulkhead.maxConcurrent',
      'bulkhead.maxQueue',
      'chaos.faultRate',
      'circuitBreaker.failureThreshold',
      'circuitBreaker.recoveryTimeout',
      'classify',
      'coalescing',
      'fallback',
      'lastGood.maxAge',
      'retry.budget.ratio',
      'retry.jitter',
      'retry.maxAttempts',
      'retry.retryIf',
      'timeout',
    ]);
    expect(message).toContain('retry.maxAttempts: expected a whole number from 1 to 20, but got 0');
    expect(message).toContain('circuitBreaker.failureThreshold: expected a whole number from 1 to 1000, but got "5"');
  });

  it.each([
    ...['retry', 'hedging', 'circuitBreaker', 'rateLimit', 'throttling', 'bulkhead', 'adaptiveConcurrency', 'lastGood'],
    ...['chaos', 'timeout', 'attemptTimeout', 'coalescing', 'fallback'],
  ])('refuses for %s what holds no options', (name) => {
    for (const wrong of ['x', -5, [], null, new Map()]) {
      const make = (): unknown => new ResiliencePolicy({ [name]: wrong });
      expect(make).toThrow(InvalidConfigurationError);
      expect(make).toThrow(`- ${name}: expected `);
    }
  });

  it('refuses two words on the same errors', () => {
    const retry = { retryIf: () => true, retryableErrors: ['ECONNRESET'] };
    expect(() => resolveResiliencePolicyOptions({ retry })).toThrow('retry.retryIf: expected either retryIf or');
  });

  it.each([{ attemptTimeout: 1_000 }, { timeout: 1_000 }])(
    'refuses calls that would be slow only after their time is over: %j',
    (times) => {
      const circuitBreaker = { slowCallRate: 0.5, slowCallDuration: 1_001 };
      expect(() => resolveResiliencePolicyOptions({ ...times, circuitBreaker })).toThrow(
        'circuitBreaker.slowCallDuration: expected at most what an attempt may take, which is 1000ms, but got 1001',
      );
    },
  );

  it('refuses an attempt timeout that is longer than the whole call', () => {
    expect(() => resolveResiliencePolicyOptions({ timeout: '1s', attemptTimeout: '2s' })).toThrow(
      'attemptTimeout: expected a duration not longer than timeout, which is 1000ms, but got "2s"',
    );
  });

  it.each([
    ['nothing that has options', 'fast'],
    ['a list', []],
    ['null', null],
  ])('refuses %s in place of options', (_what, options) => {
    expect(() => resolveResiliencePolicyOptions(options as never)).toThrow(InvalidConfigurationError);
  });

  it.each(['retry', 'circuitBreaker', 'bulkhead', 'lastGood', 'chaos'])('refuses true for %s', (name) => {
    expect(() => resolveResiliencePolicyOptions({ [name]: true })).toThrow(
      `${name}: expected an object of options, but got true`,
    );
  });

  it('refuses names that are no options, in every stage', () => {
    const misspelled = {
      tiemout: 5,
      retry: { maxAtempts: 3, retryIf: () => true },
      circuitBreaker: { failureTreshold: 5 },
      bulkhead: { maxConcurrent: 1, maxQueu: 1 },
    };
    let thrown: unknown;
    try {
      resolveResiliencePolicyOptions(misspelled as ResiliencePolicyOptions);
    } catch (error) {
      thrown = error;
    }
    expect((thrown as InvalidConfigurationError).problems).toEqual([
      { path: 'tiemout', value: 5, expected: 'no option of this name (did you mean "timeout"?)' },
      { path: 'retry.maxAtempts', value: 3, expected: 'no option of this name (did you mean "maxAttempts"?)' },
      {
        path: 'circuitBreaker.failureTreshold',
        value: 5,
        expected: 'no option of this name (did you mean "failureThreshold"?)',
      },
      { path: 'bulkhead.maxQueu', value: 1, expected: 'no option of this name (did you mean "maxQueue"?)' },
    ]);
  });

  it('puts the given path before the names', () => {
    expect(() => resolveResiliencePolicyOptions({ timeout: -1 }, 'users')).toThrow('users.timeout: ');
  });
});
