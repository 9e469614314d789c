import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ResponseStatusError, seededRandom } from '../../common/index.js';
import { type EventName } from '../../model/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { ResiliencePolicy, type ResiliencePolicyDeps } from './resilience-policy.js';
import { type ResiliencePolicyOptions } from './resilience-policy-options.js';
import { RetryBudget } from '../retry/retry-budget.js';

type Failed = Error & { attempts?: number };

const steady = { baseDelay: 100, jitter: 'none', budget: false } as const;

describe('ResiliencePolicy with hedging', () => {
  let clock: ManualClock;
  let events: { type: EventName; payload: object }[];
  let signals: AbortSignal[];

  const policyWith = (options: ResiliencePolicyOptions, deps: ResiliencePolicyDeps = {}): ResiliencePolicy => {
    const sink = { emit: (type: EventName, payload: object) => void events.push({ type, payload }) };
    return new ResiliencePolicy(options, { clock, events: sink, name: 'users', ...deps });
  };
  /** Takes as many milliseconds for its first call as the first number says, and so on; a negative one fails then. */
  const taking =
    (...all: number[]) =>
    (signal: AbortSignal): Promise<number> => {
      const ms = all[signals.push(signal) - 1] ?? 0;
      const number = signals.length;
      return new Promise((resolve, reject) => {
        clock.setTimer(() => (ms < 0 ? reject(new Error(`down ${number}`)) : resolve(number)), Math.abs(ms));
      });
    };

  beforeEach(() => {
    clock = new ManualClock();
    [events, signals] = [[], []];
  });

  afterEach(async () => {
    // Those of the calls that lost.
    await clock.advanceAsync(100_000);
    expect(clock.pendingTimers).toBe(0);
  });

  it('stands between the retries and the breaker', () => {
    const policy = policyWith({ hedging: {}, retry: {}, circuitBreaker: {}, attemptTimeout: '2s' });
    const stages = policy.describe();
    expect(stages.map(({ stage }) => stage)).toEqual(['retry', 'hedging', 'circuit_breaker', 'attempt_timeout']);
    expect(stages[1]).toMatchObject({ options: { delay: { percentile: 95 }, maxHedges: 1 } });
  });

  it('sends another attempt beside a slow one, reports it, and stops the one that lost', async () => {
    const call = policyWith({ hedging: { delay: 50 } }).execute(taking(1_000, 10));
    await clock.advanceAsync(60);
    await expect(call).resolves.toBe(2);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
    expect(events).toEqual([{ type: 'call.hedged', payload: { service: 'users', attempt: 2, afterMs: 50 } }]);
  });

  it('counts attempts that chaos delays, so that no more are made than the retries allow', async () => {
    const chaos = { latencyRate: 1, latency: 100 };
    const retry = { ...steady, baseDelay: 0, maxAttempts: 3 };
    const call = policyWith({ hedging: { delay: 50 }, retry, chaos }).execute(taking(-1, -1, -1, -1));
    const failed = expect(call).rejects.toMatchObject({ attempts: 3 });
    await clock.advanceAsync(1_000);
    await failed;
    expect(signals).toHaveLength(3);
  });

  it('reports the delay of each hedge', async () => {
    const call = policyWith({ hedging: { delay: 50, maxHedges: 2 } }).execute(taking(1_000, 1_000, 10));
    await clock.advanceAsync(110);
    await expect(call).resolves.toBe(3);
    expect(events.map(({ payload }) => payload)).toMatchObject([
      { attempt: 2, afterMs: 50 },
      { attempt: 3, afterMs: 50 },
    ]);
  });

  it('learns from latencies when an attempt is slow', async () => {
    const policy = policyWith({ hedging: { delay: 'p95' } });
    for (let made = 0; made < 20; made++) {
      const call = policy.execute(taking(...signals.map(() => 0), 30));
      await clock.advanceAsync(30);
      await call;
    }
    expect(events).toEqual([]);
    const slow = policy.execute(taking(...signals.map(() => 0), 1_000, 5));
    await clock.advanceAsync(40);
    await expect(slow).resolves.toBe(22);
    expect(events).toMatchObject([{ type: 'call.hedged', payload: { attempt: 2 } }]);
  });

  it('cuts the tail of 3% slow calls for no more than 5% more attempts', async () => {
    const random = seededRandom(1);
    const retryBudget = new RetryBudget({ ratio: 0.05, minPerSecond: 0 }, { clock });
    const policy = policyWith({ hedging: { delay: 'p95' } }, { retryBudget });
    let sent = 0;
    const tail = (): Promise<void> => {
      sent++;
      const ms = random() < 0.03 ? 200 + 50 * random() : 5 + 5 * random();
      return new Promise((resolve) => clock.setTimer(resolve, ms));
    };
    const took: number[] = [];
    const calls: Promise<void>[] = [];
    for (let made = 0; made < 5_000; made++) {
      const began = clock.now();
      calls.push(policy.execute(tail).then(() => void took.push(clock.now() - began)));
      await clock.advanceAsync(10);
    }
    await clock.advanceAsync(1_000);
    await Promise.all(calls);
    took.sort((a, b) => a - b);
    // The 99th percentile of what is called is above 230 ms.
    expect(took[4_950]).toBeLessThanOrEqual(20);
    expect(sent).toBeLessThanOrEqual(5_250);
  });

  it('leaves a failure to the retries, each of which may hedge again', async () => {
    const policy = policyWith({ hedging: { delay: 50 }, retry: { ...steady, maxAttempts: 4 } });
    const call = policy.execute(taking(-10, 1_000, 10));
    await clock.advanceAsync(170);
    await expect(call).resolves.toBe(3);
    expect(events.map(({ type }) => type)).toEqual(['call.retried', 'call.hedged']);
  });

  it('counts hedges as attempts', async () => {
    const policy = policyWith({ hedging: { delay: 50 }, retry: { ...steady, maxAttempts: 3 } });
    const call = policy.execute(taking(-200, -200, -200)).catch((error: unknown) => error as Failed);
    await clock.advanceAsync(10_000);
    expect(await call).toMatchObject({ message: 'down 3', attempts: 3 });
    expect(events).toMatchObject([
      { type: 'call.hedged', payload: { attempt: 2 } },
      { type: 'call.retried', payload: { attempt: 3 } },
    ]);
  });

  it('is paid from the budget of the retries', async () => {
    const retryBudget = new RetryBudget({ ratio: 0, minPerSecond: 1, window: '1s' }, { clock });
    const policy = policyWith({ hedging: { delay: 50 }, retry: { ...steady, budget: {} } }, { retryBudget });
    const hedged = policy.execute(taking(200, 10));
    await clock.advanceAsync(60);
    await expect(hedged).resolves.toBe(2);
    const failed = policy.execute(taking(0, 0, -60)).catch((error: unknown) => error as Failed);
    await clock.advanceAsync(60);
    expect(await failed).toMatchObject({ message: 'down 3', attempts: 1 });
  });

  it('records each call in the budget once, with and without retries', async () => {
    const retryBudget = new RetryBudget({ ratio: 0.5, minPerSecond: 0 }, { clock });
    const answer = (): Promise<string> => Promise.resolve('up');
    const alone = policyWith({ hedging: { delay: 50 } }, { retryBudget });
    for (let made = 0; made < 4; made++) await alone.execute(answer);
    expect(retryBudget.available).toBe(2);
    const both = policyWith({ hedging: { delay: 50 }, retry: { ...steady, budget: {} } }, { retryBudget });
    for (let made = 0; made < 4; made++) await both.execute(answer);
    expect(retryBudget.available).toBe(4);
  });

  it('has the default retry budget without retries, and no limit only with `budget: false`', async () => {
    const hedgesOf = async (options: ResiliencePolicyOptions): Promise<number> => {
      events = [];
      const policy = policyWith({ hedging: { delay: 50 }, ...options });
      const slow = (): Promise<void> => new Promise((resolve) => clock.setTimer(resolve, 100));
      const calls = Array.from({ length: 300 }, () => policy.execute(slow));
      await clock.advanceAsync(200);
      await Promise.all(calls);
      return events.length;
    };
    // 20% of 300, and 10 for each of the 10 seconds.
    expect(await hedgesOf({})).toBe(160);
    expect(await hedgesOf({ retry: { budget: { ratio: 0.1, minPerSecond: 0 } } })).toBe(30);
    expect(await hedgesOf({ retry: { budget: false } })).toBe(300);
  });

  it('lets no attempt that lost count against the circuit', async () => {
    const policy = policyWith({ hedging: { delay: 50 }, circuitBreaker: { failureThreshold: 1 } });
    const call = policy.execute(taking(1_000, 10));
    await clock.advanceAsync(60);
    await call;
    expect([policy.circuitBreaker?.state, policy.circuitBreaker?.failures]).toEqual(['closed', 0]);
  });

  it('takes a 404 for the answer, and a 5xx for a failure that the other attempt may not share', async () => {
    const answering = (first: number): Promise<unknown> => {
      let made = 0;
      const fn = async (): Promise<string> => {
        const number = ++made;
        await new Promise<void>((resolve) => clock.setTimer(resolve, number === 1 ? 60 : 500));
        if (number === 1) throw new ResponseStatusError(first, {}, null);
        return 'second';
      };
      return policyWith({ hedging: { delay: 50 } })
        .execute(fn)
        .catch((error: unknown) => (error as ResponseStatusError).status);
    };
    const ends = [answering(404), answering(500), answering(503)];
    await clock.advanceAsync(60);
    await expect(ends[0]).resolves.toBe(404);
    await clock.advanceAsync(500);
    await expect(Promise.all(ends)).resolves.toEqual([404, 'second', 'second']);
  });

  it('ends with all its attempts at the deadline, and at once when the caller aborts', async () => {
    const late = policyWith({ hedging: { delay: 50 }, timeout: 100 })
      .execute(taking(1_000, 1_000))
      .catch((error: unknown) => error as Failed);
    await clock.advanceAsync(100);
    expect(await late).toMatchObject({ code: 'DEADLINE_EXCEEDED', attempts: 2 });
    const caller = new AbortController();
    const gone = policyWith({ hedging: { delay: 50 } })
      .execute(taking(0, 0, 1_000, 1_000), caller.signal)
      .catch((error: unknown) => error as Failed);
    await clock.advanceAsync(70);
    caller.abort(new Error('gone'));
    expect(await gone).toMatchObject({ message: 'gone' });
    expect(signals.every(({ aborted }) => aborted)).toBe(true);
  });

  it.each<[ResiliencePolicyOptions, string]>([
    [{ hedging: { delay: 100 }, attemptTimeout: 100 }, 'hedging.delay: expected a delay shorter than attemptTimeout'],
    [
      { hedging: { delay: 100 }, timeout: '50ms' },
      'hedging.delay: expected a delay shorter than timeout, which is 50ms',
    ],
    [{ hedging: { delay: { minimum: 100 } }, timeout: '50ms' }, 'hedging.delay: expected a delay shorter than timeout'],
    [
      { hedging: { maxHedges: 2 }, retry: { maxAttempts: 2 } },
      'hedging.maxHedges: expected fewer than retry.maxAttempts',
    ],
    [{ hedging: { maxHedges: 9 } }, 'hedging.maxHedges: expected a whole number from 1 to 5'],
    [{ hedging: true as never }, 'hedging: expected an object of options, but got true'],
  ])('refuses %j', (options, message) => {
    expect(() => policyWith(options)).toThrow(message);
  });

  it('takes hedges for as long as one may be sent', () => {
    expect(() => policyWith({ hedging: { delay: 99 }, attemptTimeout: 100, timeout: 100 })).not.toThrow();
    expect(() => policyWith({ hedging: { maxHedges: 1 }, retry: { maxAttempts: 2 } })).not.toThrow();
    expect(() => policyWith({ hedging: false, retry: { maxAttempts: 1 } })).not.toThrow();
  });
});
