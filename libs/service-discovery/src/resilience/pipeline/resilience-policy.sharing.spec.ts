import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError, ResponseStatusError, sleep } from '../../common/index.js';
import { type EventName } from '../../model/index.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { ResiliencePolicy } from './resilience-policy.js';
import { type Fallback, type ResiliencePolicyOptions } from './resilience-policy-options.js';

const steady = { baseDelay: 100, jitter: 'none', budget: false } as const;
const down = (): Promise<never> => Promise.reject(new Error('down'));
const hanging = (): Promise<never> => new Promise(() => undefined);

describe('ResiliencePolicy, between calls of one key', () => {
  let clock: ManualClock;
  let events: { type: EventName; payload: object }[];
  let calls: number;

  const policyWith = (options: ResiliencePolicyOptions): ResiliencePolicy => {
    const sink = { emit: (type: EventName, payload: object) => void events.push({ type, payload }) };
    return new ResiliencePolicy(options, { clock, random: () => 0.5, events: sink, name: 'prices' });
  };
  const answer = async (): Promise<string> => `answer ${++calls}`;
  const slowAnswer = async (): Promise<string> => {
    const call = ++calls;
    await sleep(clock, 10);
    return `answer ${call}`;
  };

  beforeEach(() => {
    clock = new ManualClock();
    events = [];
    calls = 0;
  });

  afterEach(() => {
    expect(clock.pendingTimers).toBe(0);
  });

  describe('coalescing', () => {
    const asking = (policy: ResiliencePolicy, key?: string, signal?: AbortSignal): Promise<string> =>
      policy.execute(slowAnswer, signal, undefined, key);

    it('makes one call for overlapping ones, through all inner stages', async () => {
      const policy = policyWith({ coalescing: true, bulkhead: { maxConcurrent: 1 }, timeout: 1_000 });
      const asked = [asking(policy, 'a'), asking(policy, 'a'), asking(policy, 'a')];
      await clock.advanceAsync(10);
      await expect(Promise.all(asked)).resolves.toEqual(['answer 1', 'answer 1', 'answer 1']);
      const again = asking(policy, 'a');
      await clock.advanceAsync(10);
      await expect(again).resolves.toBe('answer 2');
    });

    it('makes every call without a key, and every call of a policy without coalescing', async () => {
      const policy = policyWith({ coalescing: true });
      const asked = [asking(policy), asking(policy), asking(policyWith({}), 'a'), asking(policyWith({}), 'a')];
      await clock.advanceAsync(10);
      await expect(Promise.all(asked)).resolves.toEqual(['answer 1', 'answer 2', 'answer 3', 'answer 4']);
    });

    it.each([null, ''])('shares nothing by the key %j, which is no key', async (key) => {
      const policy = policyWith({ coalescing: true });
      const asked = [asking(policy, key!), asking(policy, key!)];
      await clock.advanceAsync(10);
      await expect(Promise.all(asked)).resolves.toEqual(['answer 1', 'answer 2']);
    });

    it('refuses a key that would be the same for all callers', async () => {
      const asked = asking(policyWith({ coalescing: true }), { id: 1 } as never);
      await expect(asked).rejects.toMatchObject({ code: 'INVALID_REQUEST', message: expect.stringMatching(/^key: /) });
    });

    it('gives all callers that share an error the number of attempts, whichever of them began the call', async () => {
      const policy = policyWith({ coalescing: true, retry: { ...steady, maxAttempts: 3 } });
      const heard: unknown[] = [];
      const fallback: Fallback = (error) => {
        heard.push((error as { attempts: number }).attempts);
        return 'fallback';
      };
      const first = new AbortController();
      const left = policy.execute<string>(down, first.signal, fallback, 'a');
      const stayed = [1, 2].map(() => policy.execute<string>(down, undefined, fallback, 'a'));
      await clock.advanceAsync(10);
      first.abort(new Error('left'));
      await expect(left).rejects.toThrow('left');
      await clock.advanceAsync(1_000);
      await expect(Promise.all(stayed)).resolves.toEqual(['fallback', 'fallback']);
      expect(heard).toEqual([3, 3]);
    });

    it('goes on with the retries of a call whose first caller has left', async () => {
      const policy = policyWith({ coalescing: true, retry: steady });
      const first = new AbortController();
      const flaky = async (): Promise<string> => (++calls === 1 ? down() : `answer ${calls}`);
      const [left, stayed] = [first.signal, undefined].map((signal) => policy.execute(flaky, signal, undefined, 'a'));
      await clock.advanceAsync(10);
      first.abort(new Error('left'));
      await expect(left).rejects.toThrow('left');
      await clock.advanceAsync(90);
      await expect(stayed).resolves.toBe('answer 2');
    });

    it('ends the call and its backoff when all its callers have left', async () => {
      const policy = policyWith({ coalescing: true, retry: { ...steady, baseDelay: '60s' } });
      const callers = [new AbortController(), new AbortController()];
      const asked = callers.map(({ signal }) => policy.execute(down, signal, undefined, 'a'));
      await clock.advanceAsync(10);
      expect(clock.pendingTimers).toBe(1);
      for (const caller of callers) caller.abort(new Error('left'));
      await expect(asked[0]).rejects.toThrow('left');
      await expect(asked[1]).rejects.toThrow('left');
      await clock.advanceAsync(0);
      expect(callers.map(({ signal }) => getEventListeners(signal, 'abort').length)).toEqual([0, 0]);
    });
  });

  describe('last good answers', () => {
    const asking = (policy: ResiliencePolicy, fn: () => Promise<string>, key?: string): Promise<string> =>
      policy.execute(fn, undefined, undefined, key);

    it('answer in place of an error, and an event reports their age', async () => {
      const policy = policyWith({ lastGood: {} });
      await asking(policy, answer, 'a');
      await clock.advanceAsync(1_500);
      await expect(asking(policy, down, 'a')).resolves.toBe('answer 1');
      expect(events).toEqual([
        { type: 'call.answered_stale', payload: { service: 'prices', ageMs: 1_500, reason: 'down' } },
      ]);
      await expect(asking(policy, answer, 'a')).resolves.toBe('answer 2');
      await expect(asking(policy, down, 'a')).resolves.toBe('answer 2');
    });

    it('answer only for their own key, only in time, and never without a key', async () => {
      const policy = policyWith({ lastGood: { maxAge: '10s' } });
      await asking(policy, answer);
      await asking(policy, answer, 'a');
      await expect(asking(policy, down)).rejects.toThrow('down');
      await expect(asking(policy, down, 'b')).rejects.toThrow('down');
      await clock.advanceAsync(10_001);
      await expect(asking(policy, down, 'a')).rejects.toThrow('down');
      expect(events).toEqual([]);
    });

    it('are dropped when the callee answers otherwise', async () => {
      const policy = policyWith({ lastGood: {} });
      await asking(policy, answer, 'a');
      const gone = new ResponseStatusError(404, {}, null);
      await expect(asking(policy, () => Promise.reject(gone), 'a')).rejects.toBe(gone);
      await expect(asking(policy, down, 'a')).rejects.toThrow('down');
    });

    it('do not answer a caller that has left, and stay for the next one', async () => {
      const policy = policyWith({ lastGood: {} });
      await asking(policy, answer, 'a');
      const caller = new AbortController();
      const left = policy.execute<string>(hanging, caller.signal, undefined, 'a');
      caller.abort(new Error('left'));
      await expect(left).rejects.toThrow('left');
      expect(events).toEqual([]);
      await expect(asking(policy, down, 'a')).resolves.toBe('answer 1');
    });

    it('do not replace an abort by the function, or an invalid request', async () => {
      const policy = policyWith({ lastGood: {} });
      await asking(policy, answer, 'a');
      for (const error of [new DOMException('stopped', 'AbortError'), new InvalidConfigurationError([])]) {
        await expect(asking(policy, () => Promise.reject(error), 'a')).rejects.toBe(error);
      }
      await expect(asking(policy, down, 'a')).resolves.toBe('answer 1');
    });

    it('answer for the deadline and the open circuit, and go before the fallback', async () => {
      const circuitBreaker = { failureThreshold: 1 };
      const policy = policyWith({ lastGood: {}, timeout: 100, circuitBreaker, fallback: () => 'fallback' });
      await expect(asking(policy, answer, 'a')).resolves.toBe('answer 1');
      const late = asking(policy, hanging, 'a');
      await clock.advanceAsync(100);
      await expect(late).resolves.toBe('answer 1');
      await asking(policy, down, 'b');
      await expect(asking(policy, answer, 'a')).resolves.toBe('answer 1');
      await expect(asking(policy, answer, 'b')).resolves.toBe('fallback');
      const reasons = events.flatMap(({ type, payload }) => (type === 'call.answered_stale' ? [payload] : []));
      expect(reasons).toMatchObject([{ reason: 'DEADLINE_EXCEEDED' }, { reason: 'CIRCUIT_OPEN' }]);
    });

    it('answer each caller of a shared call that failed', async () => {
      const policy = policyWith({ lastGood: {}, coalescing: true });
      await asking(policy, answer, 'a');
      const asked = [asking(policy, down, 'a'), asking(policy, down, 'a')];
      await expect(Promise.all(asked)).resolves.toEqual(['answer 1', 'answer 1']);
      expect(events).toHaveLength(2);
    });
  });
});
