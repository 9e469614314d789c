import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { sleep } from '../../common/index.js';
import { ResiliencePolicy } from '../../resilience/index.js';
import { CallFixture, failure, reset } from '../../testing/call-fixture.js';
import { type CommunicatorDefaults, type ServiceCommunicator } from '../communicator.js';
import { DEADLINE_HEADER } from './deadline-header.js';

const CALLS = 20;

describe('the deadline of a call', () => {
  let stage: CallFixture;

  beforeEach(async () => {
    stage = await CallFixture.open();
    await stage.register('a', 'b');
  });

  afterEach(async () => {
    // A discarded response is drained in the background.
    await stage.clock.advanceAsync(0);
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  const sentDeadlines = (): unknown[] => stage.transport.sent.map(({ request }) => request.headers[DEADLINE_HEADER]);

  it('is sent to the instance of each attempt as a fixed point in time', async () => {
    stage.transport.answer(() => {
      stage.clock.advance(100);
      throw reset();
    });
    const communicator = stage.communicatorWith({ timeout: '5s', attemptTimeout: '5s', retry: { maxAttempts: 2 } });
    const deadline = String(stage.clock.epoch() + 5_000);
    await failure(communicator.callService('users', { path: '/' }));
    expect(sentDeadlines()).toEqual([deadline, deadline]);
  });

  it('is the end of the attempt if that comes sooner, since no result is awaited after it', async () => {
    const began = stage.clock.epoch();
    stage.transport.answer(() => {
      stage.clock.advance(100);
      throw reset();
    });
    const communicator = stage.communicatorWith({ timeout: '3s', attemptTimeout: '2950ms', retry: { maxAttempts: 2 } });
    await failure(communicator.callService('users', { path: '/' }));
    expect(sentDeadlines()).toEqual([String(began + 2_950), String(began + 3_000)]);
  });

  it("follows the request's own timeout", async () => {
    await stage.communicatorWith().callService('users', { path: '/', timeout: '2s' });
    expect(sentDeadlines()).toEqual([String(stage.clock.epoch() + 2_000)]);
  });

  it.each([
    ['of the work that the call is part of', 'ambient'],
    ['of a header that the caller hands on', 'header'],
  ])('is never later than that %s', async (_, from) => {
    stage.transport.hold();
    const given = stage.clock.epoch() + 1_000;
    const communicator = stage.communicatorWith(
      { attemptTimeout: '10s' },
      { ambientDeadline: () => (from === 'ambient' ? given : undefined) },
    );
    const headers = from === 'header' ? { 'X-Request-Deadline': String(given) } : {};
    const call = failure(communicator.callService('users', { path: '/', headers }));
    await stage.clock.advanceAsync(999);
    expect(sentDeadlines()).toEqual([String(given)]);
    await stage.clock.advanceAsync(1);
    expect(await call).toMatchObject({ code: 'DEADLINE_EXCEEDED', attempts: 1, timeoutMs: 1_000 });
  });

  it.each([-1, 1])('passes a given deadline on unchanged, even if the wall clock ticks %i ms apart', async (skew) => {
    const given = stage.clock.epoch() + 1_000;
    const ambientDeadline = (): number => {
      // Runs before the remaining time is computed; the attempt then reads the clock again.
      queueMicrotask(() => stage.clock.shiftEpoch(skew));
      return given;
    };
    await stage
      .communicatorWith({ retry: false, rateLimit: { rate: 1 } }, { ambientDeadline })
      .callService('users', { path: '/' });
    expect(sentDeadlines()).toEqual([String(given)]);
  });

  it('passes a given deadline on unchanged, even if the process is busy as the call begins', async () => {
    const given = stage.clock.epoch() + 1_000;
    const ambientDeadline = (): number => {
      stage.clock.advance(11);
      return given;
    };
    await stage.communicatorWith({}, { ambientDeadline }).callService('users', { path: '/' });
    expect(sentDeadlines()).toEqual([String(given)]);
  });

  it('does not extend the timeout if a given deadline is later', async () => {
    const given = stage.clock.epoch() + 60_000;
    const communicator = stage.communicatorWith({ timeout: '3s' }, { ambientDeadline: () => given });
    await communicator.callService('users', { path: '/', headers: { [DEADLINE_HEADER]: given } });
    expect(sentDeadlines()).toEqual([String(stage.clock.epoch() + 3_000)]);
  });

  it.each([0, 1])('that passed %i ms ago fails the call at once, without a request', async (ago) => {
    const communicator = stage.communicatorWith({}, { ambientDeadline: () => stage.clock.epoch() - ago });
    const error = await failure(communicator.callService('users', { path: '/' }));
    expect(error).toMatchObject({ code: 'DEADLINE_EXCEEDED', attempts: 0, service: 'users' });
    expect(error.message).toContain('before it began');
    expect(stage.transport.sent).toHaveLength(0);
    expect(stage.events.at(-1)).toMatchObject({ type: 'call.completed', payload: { code: 'DEADLINE_EXCEEDED' } });
  });

  it('bounds the wait before a retry', async () => {
    stage.transport.answer(() => ({ status: 503, headers: { 'retry-after': '2' } }));
    const communicator = stage.communicatorWith(
      { retry: { baseDelay: 0 } },
      { ambientDeadline: () => stage.clock.epoch() + 1_000 },
    );
    // Both instances are tried at once, and the pause that they ask for would exceed the deadline.
    expect(await communicator.callService('users', { path: '/' })).toMatchObject({ status: 503, attempts: 2 });
  });

  it.each(['soon', '', '-5', 'NaN', ['1', '2']])('replaces a malformed header (%j)', async (value) => {
    await stage
      .communicatorWith({ timeout: '3s' })
      .callService('users', { path: '/', headers: { [DEADLINE_HEADER]: value } });
    expect(sentDeadlines()).toEqual([String(stage.clock.epoch() + 3_000)]);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('that is given as %d is none', async (value) => {
    await stage
      .communicatorWith({ timeout: '3s' }, { ambientDeadline: () => value })
      .callService('users', { path: '/' });
    expect(sentDeadlines()).toEqual([String(stage.clock.epoch() + 3_000)]);
  });

  describe('that was given and cuts a call short', () => {
    /** Instances answer after so long, as soon as the clock gets there. */
    const answerAfter = (ms: number, status = 200): void =>
      stage.transport.answer(async () => {
        await sleep(stage.clock, ms);
        return { status };
      });

    interface Given {
      readonly ms: number;
      readonly settings?: CommunicatorDefaults;
    }
    async function callUnder({ ms, settings }: Given, times: number): Promise<ServiceCommunicator> {
      const communicator = stage.communicatorWith(
        { serviceCircuitBreaker: {}, retry: false, ...settings },
        { ambientDeadline: () => stage.clock.epoch() + ms },
      );
      for (let call = 0; call < times; call++) {
        const ended = communicator.callService('users', { path: '/' }).catch((error: unknown) => error);
        await stage.clock.advanceAsync(10_000);
        await ended;
      }
      // Answers that come too late.
      await stage.clock.advanceAsync(60_000);
      return communicator;
    }
    const states = (communicator: ServiceCommunicator): string[] => [
      ...new Set(communicator.circuitBreakers().map(({ state }) => state)),
    ];

    it('is no failure for circuit breakers, the outlier detector and passive health', async () => {
      answerAfter(9_000);
      const communicator = await callUnder({ ms: 3_000 }, CALLS);
      expect(states(communicator)).toEqual(['closed']);
      expect(communicator.ejections()).toEqual([]);
      expect(stage.typesOf('instance.ejected')).toEqual([]);
    });

    it('is no failure either where it makes an attempt leave room for another one', async () => {
      answerAfter(9_000);
      const communicator = await callUnder({ ms: 3_000, settings: { retry: { budget: false } } }, CALLS);
      expect(states(communicator)).toEqual(['closed']);
      expect(stage.transport.sent.length).toBeGreaterThan(CALLS);
    });

    it('is no failure either where the callee gives up for the same deadline a moment earlier', async () => {
      answerAfter(2_900, 500);
      expect(states(await callUnder({ ms: 3_000 }, CALLS))).toEqual(['closed']);
    });

    it('is no failure where callers share the call', async () => {
      answerAfter(9_000);
      expect(states(await callUnder({ ms: 3_000, settings: { coalescing: true } }, CALLS))).toEqual(['closed']);
    });

    it('neither throttles calls nor lowers the adaptive limit', async () => {
      answerAfter(9_000);
      await callUnder({ ms: 3_000, settings: { throttling: {}, adaptiveConcurrency: {} } }, CALLS);
      expect(stage.transport.sent).toHaveLength(CALLS);
    });

    it.each([
      ['an error that comes early', 100, 500, 3_000],
      ['a callee that has had its share of the time', 60_000, 200, 9_900],
    ])('hides no failure: %s counts', async (_, afterMs, status, ms) => {
      answerAfter(afterMs, status);
      expect(states(await callUnder({ ms }, CALLS))).toContain('open');
    });

    it('says so in the error, which a policy around the call then ignores', async () => {
      answerAfter(9_000);
      const communicator = stage.communicatorWith({}, { ambientDeadline: () => stage.clock.epoch() + 3_000 });
      const policy = new ResiliencePolicy(
        { circuitBreaker: { failureThreshold: 1 }, retry: false },
        { clock: stage.clock },
      );
      const call = failure(policy.execute(() => communicator.callService('users', { path: '/' })));
      await stage.clock.advanceAsync(20_000);
      expect(await call).toMatchObject({ code: 'DEADLINE_EXCEEDED', inherited: true });
      expect(policy.circuitBreaker?.state).toBe('closed');
    });
  });
});
