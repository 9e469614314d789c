import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CallFixture, failure, reset } from '../../testing/call-fixture.js';
import { type FakeResponse } from '../../testing/fake-transport.js';
import { type ServiceCommunicator } from '../communicator.js';

describe('the last good answer', () => {
  let stage: CallFixture;
  let communicator: ServiceCommunicator;

  beforeEach(async () => {
    stage = await CallFixture.open();
    await stage.register('a');
    communicator = stage.communicatorWith({ lastGood: { maxAge: '1h' }, retry: false, circuitBreaker: false });
  });

  afterEach(async () => {
    await stage.clock.advanceAsync(0);
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  const answer = (response: FakeResponse | Error): void =>
    stage.transport.answer(() => {
      if (response instanceof Error) throw response;
      return response;
    });
  const json = (path = '/users', headers = {}): Promise<unknown> =>
    communicator.callServiceJson('users', { path, headers });

  it.each<[string, FakeResponse | Error]>([
    ['a transport that fails', reset()],
    ['a status 503', { status: 503 }],
    ['a status 500', { status: 500 }],
    ['a body that is no JSON', { body: '<html>' }],
  ])('replaces %s, and says so', async (_, trouble) => {
    answer({ body: { users: ['ada'] } });
    const good = (await json()) as { users: string[] };
    good.users.push('mallory');
    stage.clock.advance(60_000);
    answer(trouble);
    expect(await json()).toEqual({ users: ['ada'] });
    expect(stage.events.find(({ type }) => type === 'call.answered_stale')?.payload).toMatchObject({
      service: 'users',
      ageMs: 60_000,
    });
    expect(stage.events.at(-1)).toMatchObject({ type: 'call.completed', payload: { ok: false, attempts: 1 } });
    expect(stage.events.at(-1)?.payload.code).toBeDefined();
  });

  it('replaces a response with a failure status, and reports its age', async () => {
    answer({ headers: { etag: 'x' }, body: 'good' });
    await communicator.callService('users', { path: '/users' });
    stage.clock.advance(1_000);
    answer({ status: 502, body: 'bad gateway' });
    const response = await communicator.callService('users', { path: '/users' });
    expect(response).toMatchObject({ status: 200, headers: { etag: 'x' }, staleMs: 1_000 });
    expect(await response.body.text()).toBe('good');
  });

  it('is missing before the first answer, and when it is too old', async () => {
    answer({ status: 503, body: 'busy' });
    expect(await communicator.callService('users', { path: '/users' })).toMatchObject({ status: 503 });
    answer({ body: 1 });
    await json();
    stage.clock.advance(3_600_001);
    answer(reset());
    expect((await failure(json())).code).toBe('TRANSPORT_FAILURE');
  });

  it('is kept per request, including everything that the answer may depend on', async () => {
    answer({ body: 1 });
    await json('/users', { authorization: 'Bearer a' });
    answer(reset());
    expect((await failure(json('/users', { authorization: 'Bearer b' }))).code).toBe('TRANSPORT_FAILURE');
    expect((await failure(json('/other', { authorization: 'Bearer a' }))).code).toBe('TRANSPORT_FAILURE');
    expect(await json('/users', { authorization: 'Bearer a' })).toBe(1);
  });

  it('is dropped when the service answers that the resource is gone', async () => {
    answer({ body: 1 });
    await json();
    answer({ status: 404 });
    expect((await failure(json())).code).toBe('RESPONSE_STATUS');
    answer(reset());
    expect((await failure(json())).code).toBe('TRANSPORT_FAILURE');
  });

  it('is not kept for a POST', async () => {
    answer({ body: 1 });
    await communicator.callServiceJson('users', { method: 'POST', path: '/users' });
    answer(reset());
    await failure(communicator.callServiceJson('users', { method: 'POST', path: '/users' }));
  });

  it("does not replace the caller's own abort", async () => {
    answer({ body: 1 });
    await json();
    stage.transport.hold();
    const controller = new AbortController();
    const call = failure(communicator.callServiceJson('users', { path: '/users', signal: controller.signal }));
    await stage.transport.nextHeld();
    controller.abort(new Error('changed my mind'));
    expect((await call).message).toBe('changed my mind');
  });

  it('replaces the error when no instance is left, also for callers that share a call', async () => {
    const sharing = communicator.withOptions({ coalescing: true });
    answer({ body: 1 });
    await sharing.callServiceJson('users', { path: '/users' });
    await stage.registry.deregister({ serviceName: 'users', instanceId: 'a' });
    const calls = [1, 2].map(() => sharing.callServiceJson('users', { path: '/users' }));
    expect(await Promise.all(calls)).toEqual([1, 1]);
  });
});
