import { beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError, messageOf, ResponseStatusError, seededRandom } from '../../common/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { type ChaosOptions, ChaosPolicy, CHAOS_OPTIONS } from './chaos-policy.js';
import { ResiliencePolicy } from '../pipeline/resilience-policy.js';

describe('ChaosPolicy', () => {
  let clock: ManualClock;
  let calls: number;

  /** @param draws what the policy draws, one after the other */
  const policyWith = (options: ChaosOptions, draws: number[] = []): ChaosPolicy =>
    new ChaosPolicy(options, { clock, random: () => draws.shift() ?? 0, name: 'users' });
  const answer = async (): Promise<string> => {
    calls++;
    return 'answer';
  };

  beforeEach(() => {
    clock = new ManualClock();
    calls = 0;
  });

  it('injects nothing by default', async () => {
    await expect(policyWith({}).execute(answer)).resolves.toBe('answer');
    expect(clock.pendingTimers).toBe(0);
  });

  it('splits the draws among fault, latency and outcome, and leaves the rest undisturbed', async () => {
    const rates = { faultRate: 0.125, latencyRate: 0.25, outcomeRate: 0.25 };
    const policy = policyWith(
      { ...rates, latency: 5, outcome: 'chaos' },
      [0.124, 0.125, 0.374, 0.375, 0.624, 0.625, 0.99],
    );
    const kindOf = async (): Promise<string> => {
      const call = policy.execute(answer).catch((error: Error) => error.name);
      await clock.advanceAsync(0);
      if (clock.pendingTimers === 0) return call;
      await clock.advanceAsync(5);
      return `late ${await call}`;
    };
    const kinds: string[] = [];
    for (let call = 0; call < 7; call++) kinds.push(await kindOf());
    expect(kinds).toEqual(['ResponseStatusError', 'late answer', 'late answer', 'chaos', 'chaos', 'answer', 'answer']);
    expect(calls).toBe(4);
  });

  it('disturbs as many calls as its rates say, and with a seed the same ones each time', async () => {
    const disturb = async (): Promise<boolean[]> => {
      const policy = new ChaosPolicy({ faultRate: 0.25 }, { clock, random: seededRandom(7) });
      const results: boolean[] = [];
      for (let call = 0; call < 1_000; call++) {
        await policy.execute(answer).then(
          () => results.push(true),
          () => results.push(false),
        );
      }
      return results;
    };
    const results = await disturb();
    const random = seededRandom(7);
    expect(results).toEqual(Array.from({ length: 1_000 }, () => random() >= 0.25));
    expect(await disturb()).toEqual(results);
  });

  it.each<[string, ChaosOptions['fault'], object]>([
    ['a status', 502, { status: 502, code: 'RESPONSE_STATUS', service: 'users' }],
    ['an error', new TypeError('broken'), { name: 'TypeError', message: 'broken' }],
    ['a function', () => new RangeError('made'), { name: 'RangeError', message: 'made' }],
    ['no fault, which is a status 503', undefined, { status: 503 }],
  ])('fails with %s, and does not make the call', async (_what, fault, expected) => {
    await expect(policyWith({ faultRate: 1, fault }).execute(answer)).rejects.toMatchObject(expected);
    expect(calls).toBe(0);
  });

  it('answers with a value, or with the result of a function per call', async () => {
    await expect(policyWith({ outcomeRate: 1, outcome: { id: 1 } }).execute(answer)).resolves.toEqual({ id: 1 });
    let made = 0;
    const policy = policyWith({ outcomeRate: 1, outcome: () => ++made });
    await expect(policy.execute(answer)).resolves.toBe(1);
    await expect(policy.execute(answer)).resolves.toBe(2);
    expect(calls).toBe(0);
  });

  it('draws the latency between the least and the most', async () => {
    const call = policyWith({ latencyRate: 1, latency: ['1s', 2_000] }, [0.5, 0.25]).execute(answer);
    await clock.advanceAsync(1_249);
    expect(calls).toBe(0);
    await clock.advanceAsync(1);
    await expect(call).resolves.toBe('answer');
  });

  it('ends the latency when the caller aborts, and does not make the call', async () => {
    const caller = new AbortController();
    const call = policyWith({ latencyRate: 1, latency: '1h' }).execute(answer, caller.signal);
    caller.abort(new Error('left'));
    await expect(call).rejects.toThrow('left');
    expect([calls, clock.pendingTimers]).toEqual([0, 0]);
    await expect(policyWith({}).execute(answer, caller.signal)).rejects.toThrow('left');
    expect(calls).toBe(0);
  });

  it('hands the signal to the call, disturbed or not', async () => {
    const { signal } = new AbortController();
    const given: unknown[] = [];
    const take = async (own?: AbortSignal): Promise<void> => void given.push(own);
    await policyWith({ enabled: false }).execute(take, signal);
    const late = policyWith({ latencyRate: 1, latency: 1 }).execute(take, signal);
    await clock.advanceAsync(1);
    await late;
    expect(given).toEqual([signal, signal]);
  });

  it('does nothing while it is switched off, for good or by a function that is asked each time', async () => {
    await expect(policyWith({ faultRate: 1, enabled: false }).execute(answer)).resolves.toBe('answer');
    let on = false;
    const policy = policyWith({ faultRate: 1, enabled: () => on });
    await expect(policy.execute(answer)).resolves.toBe('answer');
    on = true;
    await expect(policy.execute(answer)).rejects.toThrow(ResponseStatusError);
  });
});

describe('CHAOS_OPTIONS', () => {
  const problemsOf = (options: ChaosOptions): string[] => {
    try {
      CHAOS_OPTIONS.resolve(options, 'users.chaos');
    } catch (error) {
      return messageOf(error).split('\n').slice(1);
    }
    return [];
  };

  it('lists every wrong option in one error', () => {
    const wrong = {
      faultRate: -0.1,
      fault: 200,
      latencyRate: 1.1,
      latency: [5, 1],
      outcomeRate: Number.NaN,
      enabled: 1,
    };
    expect(problemsOf(wrong as never)).toEqual([
      '  - users.chaos.faultRate: expected a number from 0 to 1, but got -0.1',
      '  - users.chaos.fault: expected an error, a function that makes one, or a status from 400 to 599, but got 200',
      '  - users.chaos.latencyRate: expected a number from 0 to 1, but got 1.1',
      '  - users.chaos.latency: expected a duration, or two of them up to 1d, the first not longer than the second, but got [5,1]',
      '  - users.chaos.outcomeRate: expected a number from 0 to 1, but got NaN',
      '  - users.chaos.enabled: expected true or false, but got 1',
    ]);
    expect(problemsOf({ latencys: 1 } as never)).toEqual([
      '  - users.chaos.latencys: expected no option of this name (did you mean "latency"?), but got 1',
    ]);
  });

  it.each<[string, unknown]>([
    ['a text that is no duration', 'soon'],
    ['more than a day', '25h'],
    ['a pair with something else in it', ['1s', 'soon']],
    ['one of a pair', [1]],
    ['three', [1, 2, 3]],
    ['a pair that is too long', [1, '2d']],
  ])('refuses %s for a latency', (_what, latency) => {
    expect(() => CHAOS_OPTIONS.resolve({ latency: latency as never })).toThrow(InvalidConfigurationError);
  });

  it('refuses a fault, latency or outcome without a rate, which would do nothing', () => {
    expect(problemsOf({ fault: 500, latency: 1, outcome: null })).toEqual([
      '  - users.chaos.faultRate: expected to be given beside fault: the share of calls that it is for, but got nothing',
      '  - users.chaos.latencyRate: expected to be given beside latency: the share of calls that it is for, but got nothing',
      '  - users.chaos.outcomeRate: expected to be given beside outcome: the share of calls that it is for, but got nothing',
    ]);
    expect(problemsOf({ latency: 1, latencyRate: 0 })).toEqual([]);
  });

  it('refuses rates with a sum above 1, with a tolerance for binary fractions', () => {
    const rest = { latency: 1, outcome: null };
    expect(problemsOf({ faultRate: 0.5, latencyRate: 0.3, outcomeRate: 0.25, ...rest })).toEqual([
      '  - users.chaos.faultRate + latencyRate + outcomeRate: expected rates that exclude each other, so 1 or less in sum, but got 1.05',
    ]);
    expect(0.33 + 0.56 + 0.11).toBeGreaterThan(1);
    expect(problemsOf({ faultRate: 0.33, latencyRate: 0.56, outcomeRate: 0.11, ...rest })).toEqual([]);
    expect(problemsOf({ faultRate: 1 })).toEqual([]);
  });

  it('refuses a rate of something that is not there', () => {
    expect(problemsOf({ latencyRate: 0.1, outcomeRate: 0.1 })).toEqual([
      '  - users.chaos.latency: expected to be given, since latencyRate is above 0, but got nothing',
      '  - users.chaos.outcome: expected to be given, since outcomeRate is above 0, but got nothing',
    ]);
  });
});

describe('chaos in a policy', () => {
  it('acts in place of the function: to other stages its effect is an attempt', async () => {
    const clock = new ManualClock();
    let calls = 0;
    const draws = [0, 0.5, 0.9];
    const policy = new ResiliencePolicy(
      {
        attemptTimeout: 100,
        retry: { maxAttempts: 3, baseDelay: '10ms', jitter: 'none', budget: false },
        circuitBreaker: { failureThreshold: 3 },
        chaos: { faultRate: 0.1, fault: 503, latencyRate: 0.5, latency: '1s' },
      },
      { clock, random: () => draws.shift() ?? 0 },
    );
    const call = policy.execute(async () => ++calls);
    await clock.advanceAsync(0);
    expect([calls, policy.circuitBreaker?.failures]).toEqual([0, 1]);
    await clock.advanceAsync(110);
    expect([calls, policy.circuitBreaker?.failures]).toEqual([0, 2]);
    await clock.advanceAsync(20);
    await expect(call).resolves.toBe(1);
    const failing = policy.execute(async () => ++calls);
    const failed = expect(failing).rejects.toMatchObject({ status: 503, attempts: 3 });
    await clock.advanceAsync(1_000);
    await failed;
    expect([calls, clock.pendingTimers]).toEqual([1, 0]);
  });

  it('counts an attempt that it leaves alone once, and none that was over before it began', async () => {
    const clock = new ManualClock();
    const retry = { maxAttempts: 2, baseDelay: 100, jitter: 'none', budget: false } as const;
    const options = { timeout: 101, retry, chaos: { latencyRate: 0.5, latency: 0 } };
    const policy = new ResiliencePolicy(options, { clock, random: () => 0.9 });
    const down = (): Promise<never> => Promise.reject(new Error('down'));
    const failed = expect(policy.execute(down)).rejects.toMatchObject({ message: 'down', attempts: 2 });
    await clock.advanceAsync(100);
    await failed;
    const late = expect(policy.execute(down)).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', attempts: 1 });
    await clock.advanceAsync(0);
    // The delay and the deadline are over in one moment, before the attempt has its turn.
    clock.advance(101);
    await late;
  });

  it('describes its plain settings only', () => {
    const options = {
      faultRate: 0.1,
      fault: new Error('x'),
      latencyRate: 0.2,
      latency: '1s',
      enabled: () => true,
    } as const;
    expect(new ResiliencePolicy({ chaos: options }).describe()).toMatchObject([
      { stage: 'chaos', options: { faultRate: 0.1, latencyRate: 0.2, latency: [1_000, 1_000], outcomeRate: 0 } },
    ]);
  });
});
