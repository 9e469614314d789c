import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CallStage, failure } from '../testing/call-stage.js';

describe('parallel calls', () => {
  let stage: CallStage;

  beforeEach(async () => {
    stage = await CallStage.open();
  });

  afterEach(async () => {
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  it('answer in the order of the calls, and one failure stops no other', async () => {
    await stage.register('a');
    stage.transport.answer((_, { path }) => (path === '/bad' ? { status: 404 } : { body: { path } }));
    const results = await stage.communicatorWith().parallelServiceCalls([
      { serviceName: 'users', path: '/one' },
      { serviceName: 'users', path: '/bad' },
      { serviceName: 'nobody', path: '/' },
      { serviceName: 'users', path: '/two' },
    ]);
    expect(results.map(({ callIndex, success }) => [callIndex, success])).toEqual([
      [0, true],
      [1, false],
      [2, false],
      [3, true],
    ]);
    expect(results[2]).toMatchObject({ serviceName: 'nobody', error: { code: 'SERVICE_NOT_FOUND' } });
    expect(results[3]).toMatchObject({ serviceName: 'users', data: { path: '/two' } });
  });

  it('run no more at once than asked for, and stop at an abort', async () => {
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

  it('end at the abort of them all also where a call has a signal of its own', async () => {
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
});
