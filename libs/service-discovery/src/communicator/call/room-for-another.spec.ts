import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CallFixture, failure, reset } from '../../testing/call-fixture.js';
import { type CommunicatorDefaults } from '../communicator.js';
import { type ServiceCallRequest } from '../request.js';

/** The attempt that ends and the one that follows it. */
interface Attempt {
  readonly atMs: number;
  readonly to: string;
}

describe('an attempt of a call whose timeout is shorter than the default attempt timeout', () => {
  let stage: CallFixture;
  let began: number;
  let attempts: Attempt[];
  /** Instances that never respond. */
  let stopped: Set<string>;

  beforeEach(async () => {
    stage = await CallFixture.open();
    await stage.register('a', 'b', 'c');
    began = stage.clock.now();
    attempts = [];
    stopped = new Set(['a', 'b', 'c']);
    stage.transport.answer(({ instanceId }) => {
      attempts.push({ atMs: stage.clock.now() - began, to: instanceId });
      return stopped.has(instanceId) ? new Promise(() => undefined) : { body: { from: instanceId } };
    });
  });

  afterEach(async () => {
    await stage.clock.advanceAsync(0);
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  const call = (options: CommunicatorDefaults, request: Partial<ServiceCallRequest> = {}): Promise<unknown> =>
    stage.communicatorWith(options).callServiceJson('users', { path: '/', ...request });
  const startsOf = async (options: CommunicatorDefaults, request?: Partial<ServiceCallRequest>): Promise<number[]> => {
    const end = failure(call(options, request));
    await stage.clock.advanceAsync(60_000);
    await end;
    return attempts.map(({ atMs }) => atMs);
  };

  it('ends halfway, so that another instance answers in time', async () => {
    stopped = new Set(['a']);
    const communicator = stage.communicatorWith({ timeout: '3s' });
    const answers = Promise.all([1, 2, 3].map(() => communicator.callServiceJson('users', { path: '/' })));
    await stage.clock.advanceAsync(1_499);
    expect(attempts).toHaveLength(3);
    await stage.clock.advanceAsync(1);
    for (const answer of await answers) expect(answer).toMatchObject({ from: expect.stringMatching(/[bc]/) });
    expect(attempts).toHaveLength(4);
    expect(attempts[3]).toMatchObject({ atMs: 1_500, to: expect.stringMatching(/[bc]/) });
  });

  it('ends halfway beside an attemptTimeout of a weaker layer that is longer than the call', async () => {
    const preset = stage.communicatorWith({ attemptTimeout: '5s' });
    const end = failure(preset.withOptions({ timeout: '3s' }).callServiceJson('users', { path: '/' }));
    await stage.clock.advanceAsync(60_000);
    await end;
    expect(attempts.map(({ atMs }) => atMs)).toEqual([0, 1_500, 2_250]);
  });

  it('takes half of the remaining time each time, and the last one all of it', async () => {
    expect(await startsOf({ timeout: '3s' })).toEqual([0, 1_500, 2_250]);
    expect(new Set(attempts.map(({ to }) => to)).size).toBe(3);
    const codes = stage.events.filter(({ type }) => type === 'call.completed').map(({ payload }) => payload.code);
    expect(codes).toEqual(['DEADLINE_EXCEEDED']);
  });

  it.each([
    ['the request says so', () => ({ timeout: 3_000 })],
    [
      'the time of the work that it is part of does',
      () => ({ headers: { 'x-request-deadline': String(stage.clock.epoch() + 3_000) } }),
    ],
  ])('also does so if %s', async (_who, request) => {
    expect(await startsOf({}, request())).toEqual([0, 1_500, 2_250]);
  });

  it.each([
    ['in the options', { timeout: '3s', attemptTimeout: '3s' }, {}],
    ['in the options, for longer calls', { attemptTimeout: '3s' }, { timeout: '3s' }],
    ['in the request', { timeout: '3s' }, { attemptTimeout: '3s' }],
  ] as const)('has all the time that is set for it %s', async (_where, options, request) => {
    expect(await startsOf(options, request)).toEqual([0]);
  });

  it.each([
    ['the request may not be sent twice', { timeout: '3s' }, { method: 'POST' }],
    ['retries are off', { timeout: '3s', retry: false }, {}],
    ['it is the last one', { timeout: '3s', retry: { maxAttempts: 1 } }, {}],
    ['timeouts are not retried', { timeout: '3s', retry: { retryableErrors: ['ECONNRESET'] } }, {}],
    ['the retry budget is used up', { timeout: '3s', retry: { budget: { ratio: 0, minPerSecond: 0 } } }, {}],
  ] as const)('has all of the time where %s', async (_why, options, request) => {
    expect(await startsOf(options, request)).toEqual([0]);
  });

  it('uses all the time if no other instance can take the call at half of it', async () => {
    for (const instanceId of ['b', 'c']) {
      await stage.registry.setStatus({ serviceName: 'users', instanceId }, 'maintenance');
    }
    await stage.clock.advanceAsync(0);
    let answer = (): void => undefined;
    stage.transport.answer(() => new Promise((resolve) => (answer = () => resolve({ body: { from: 'a' } }))));
    const slow = call({ timeout: '3s' });
    await stage.clock.advanceAsync(2_999);
    answer();
    expect(await slow).toEqual({ from: 'a' });
  });

  it('ends with the call if no other instance can take it', async () => {
    const options = { timeout: '3s', concurrency: 1 } as const;
    const communicator = stage.communicatorWith(options);
    const calls = ['a', 'b', 'c'].map(() => failure(communicator.callServiceJson('users', { path: '/' })));
    await stage.clock.advanceAsync(3_000);
    const errors = await Promise.all(calls);
    expect(errors.map(({ code, attempts }) => ({ code, attempts }))).toEqual(
      Array(3).fill({ code: 'DEADLINE_EXCEEDED', attempts: 1 }),
    );
  });

  it('is not cut in a longer call', async () => {
    expect(await startsOf({ timeout: '30s', retry: { maxAttempts: 2 } })).toEqual([0, 10_000]);
  });

  it("passes on the error of a user's retry function", async () => {
    const retryableErrors = (): boolean => {
      throw new RangeError('no idea');
    };
    const end = failure(call({ timeout: '3s', retry: { retryableErrors } }));
    await stage.clock.advanceAsync(1_500);
    expect(await end).toMatchObject({ name: 'RangeError', message: 'no idea' });
  });

  it("counts for the instance's circuit as any timeout does", async () => {
    stopped = new Set(['a']);
    const communicator = stage.communicatorWith({ timeout: '3s', circuitBreaker: { failureThreshold: 1 } });
    const answers = [1, 2, 3].map(() => communicator.callServiceJson('users', { path: '/' }));
    await stage.clock.advanceAsync(1_500);
    await Promise.all(answers);
    const open = communicator.circuitBreakers().filter(({ state }) => state === 'open');
    expect(open.map(({ instanceId }) => instanceId)).toEqual(['a']);
    expect(stage.events.find(({ type }) => type === 'call.retried')?.payload).toMatchObject({
      reason: 'ATTEMPT_TIMEOUT',
      delayMs: 0,
    });
  });

  it('that fails by itself is followed by one with half of the remaining time', async () => {
    let sent = 0;
    stage.transport.answer(() => {
      attempts.push({ atMs: stage.clock.now() - began, to: '' });
      if (sent++ > 0) return new Promise(() => undefined);
      stage.clock.advance(1_000);
      throw reset();
    });
    expect(await startsOf({ timeout: '3s' })).toEqual([0, 1_000, 2_000]);
  });
});
