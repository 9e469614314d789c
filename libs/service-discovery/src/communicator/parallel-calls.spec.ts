import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CallFixture, failure } from '../testing/call-fixture.js';
import { type ParallelCall, type ParallelOptions } from './parallel-calls.js';

describe('parallel calls', () => {
  let stage: CallFixture;

  beforeEach(async () => {
    stage = await CallFixture.open();
  });

  afterEach(async () => {
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  it('return results in the order of the calls, and a failure does not affect the others', async () => {
    await stage.register('a');
    stage.transport.answer((_, { path }) => (path === '/bad' ? { status: 404 } : { body: { path } }));
    const results = await stage.communicatorWith({ waitForFirst: false }).parallelServiceCalls([
      { serviceName: 'users', path: '/one' },
      { serviceName: 'users', path: '/bad' },
      { serviceName: 'unknown', path: '/' },
      { serviceName: 'users', path: '/two' },
    ]);
    expect(results.map(({ callIndex, success }) => [callIndex, success])).toEqual([
      [0, true],
      [1, false],
      [2, false],
      [3, true],
    ]);
    expect(results[2]).toMatchObject({ serviceName: 'unknown', error: { code: 'SERVICE_NOT_FOUND' } });
    expect(results[3]).toMatchObject({ serviceName: 'users', data: { path: '/two' } });
  });

  it('run up to the concurrency limit, and stop at an abort', async () => {
    await stage.register('a');
    stage.transport.hold();
    const controller = new AbortController();
    const calls = ['/1', '/2', '/3'].map((path) => ({ serviceName: 'users', path }));
    const running = stage.communicatorWith().parallelServiceCalls(calls, { concurrency: 2, signal: controller.signal });
    (await stage.transport.nextHeld()).respond({ body: {} });
    await stage.transport.nextHeld();
    await stage.transport.nextHeld();
    controller.abort();
    expect((await running).map(({ success }) => success)).toEqual([true, false, false]);
  });

  it('end at the common abort even if a call has its own signal', async () => {
    await stage.register('a');
    stage.transport.hold();
    const all = new AbortController();
    const own = new AbortController();
    const running = stage
      .communicatorWith()
      .parallelServiceCalls([{ serviceName: 'users', path: '/', signal: own.signal }], { signal: all.signal });
    await stage.transport.nextHeld();
    const reason = new Error('the user left');
    all.abort(reason);
    expect(await running).toMatchObject([{ success: false, error: reason }]);
  });

  it.each([0, 1.5, Number.NaN])('with a concurrency of %p are refused', async (concurrency) => {
    const error = await failure(stage.communicatorWith().parallelServiceCalls([], { concurrency }));
    expect(error).toMatchObject({ code: 'INVALID_CONFIGURATION', message: expect.stringContaining('concurrency') });
  });

  it('report an invalid call in its place and make the others', async () => {
    await stage.register('a');
    const call = { serviceName: 'users', path: '/' };
    const wrong: readonly (readonly [unknown, string])[] = [
      [null, " is not valid: request: expected an object such as { path: '/' }, but got null"],
      [undefined, " is not valid: request: expected an object such as { path: '/' }, but got nothing"],
      [{ ...call, signal: 3 }, ' for "users" is not valid: signal: expected an AbortSignal, but got 3'],
      [
        { ...call, tiemout: 1 },
        ' for "users" is not valid: tiemout: expected no option of this name (did you mean "timeout"?), but got 1',
      ],
      [
        { service: 'users', path: '/' },
        ' is not valid: service: expected no option of this name (did you mean "serviceName"?), but got "users"',
      ],
      [{ path: '/' }, ' is not valid: serviceName: expected the name of a service, but got nothing'],
    ];
    const calls = [call, ...wrong.map(([given]) => given), call] as ParallelCall[];
    const { signal } = new AbortController();
    const results = await stage.communicatorWith().parallelServiceCalls(calls, { signal });
    expect(results.map(({ callIndex, success }) => [callIndex, success])).toEqual(
      calls.map((_, index) => [index, index === 0 || index === calls.length - 1]),
    );
    expect(results.slice(1, -1)).toMatchObject(
      wrong.map(([, problem]) => ({
        error: {
          code: 'INVALID_REQUEST',
          message: `The request${problem}. See nest-service-discovery/docs/reference/errors.md#INVALID_REQUEST`,
        },
      })),
    );
    expect(results.map(({ serviceName }) => serviceName)).toEqual(['users', '', '', 'users', 'users', '', '', 'users']);
    expect(stage.transport.sent).toHaveLength(2);
  });

  it('accept a signal from another realm, as a single call does', async () => {
    await stage.register('a');
    const { signal } = new AbortController();
    const older = Object.assign(new EventTarget(), { aborted: false }) as AbortSignal;
    const calls = [older, undefined].map((own) => ({ serviceName: 'users', path: '/', signal: own }));
    for (const all of [signal, older, undefined]) {
      const results = await stage.communicatorWith().parallelServiceCalls(calls, { signal: all });
      expect(results).toMatchObject([{ success: true }, { success: true }]);
    }
  });

  it('may be instances of a class, with fields of their own', async () => {
    class UserCall {
      readonly serviceName = 'users';
      constructor(readonly userId: number) {}
      get path(): string {
        return `/users/${this.userId}`;
      }
    }
    await stage.register('a');
    expect(await stage.communicatorWith().parallelServiceCalls([new UserCall(7)])).toMatchObject([{ success: true }]);
    expect(stage.transport.sent[0]?.request.path).toBe('/users/7');
  });

  it.each([[undefined], [null], [{}], ['users'], [{ length: 1 }]])(
    'that are no list (%j) are refused',
    async (calls) => {
      const error = await failure(stage.communicatorWith().parallelServiceCalls(calls as never));
      expect(error.code).toBe('INVALID_REQUEST');
      expect(error.message).toContain("calls: expected a list such as [{ serviceName: 'users', path: '/' }], but got");
    },
  );

  it('given as a single call instead of a list are refused without revealing its content', async () => {
    const call = { serviceName: 'users', path: '/', headers: { authorization: 'Bearer s3cret' } };
    const error = await failure(stage.communicatorWith().parallelServiceCalls(call as never));
    expect(error.message).not.toContain('s3cret');
  });

  it('may have null for a signal, and leave no listeners at their signals', async () => {
    await stage.register('a');
    const { signal } = new AbortController();
    const calls = [null, new AbortController().signal].map((own) => ({ serviceName: 'users', path: '/', signal: own }));
    for (const shared of [null, signal]) {
      const results = await stage.communicatorWith().parallelServiceCalls(calls as never, { signal: shared } as never);
      expect(results).toMatchObject([{ success: true }, { success: true }]);
    }
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('with wrong options are refused, naming each of them', async () => {
    const options = { concurency: 2, concurrency: '2', signal: 3 } as unknown as ParallelOptions;
    expect(await failure(stage.communicatorWith().parallelServiceCalls([], options))).toMatchObject({
      code: 'INVALID_CONFIGURATION',
      problems: [
        { path: 'concurency', expected: 'no option of this name (did you mean "concurrency"?)' },
        { path: 'concurrency', value: '2' },
        { path: 'signal', value: 3, expected: 'an AbortSignal' },
      ],
    });
    expect((await failure(stage.communicatorWith().parallelServiceCalls([], null as never))).message).toContain(
      'options: expected an object of options, but got null',
    );
  });
});
