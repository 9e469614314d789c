import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CallFixture, failure, refused, reset } from '../../testing/call-fixture.js';
import { type HeldExchange } from '../../testing/fake-transport.js';
import { type ServiceCommunicator } from '../communicator.js';
import { type ServiceCallRequest } from '../request.js';
import { DEADLINE_HEADER } from './deadline-header.js';

describe('calls that are coalesced', () => {
  let stage: CallFixture;
  let communicator: ServiceCommunicator;

  beforeEach(async () => {
    stage = await CallFixture.open();
    await stage.register('a', 'b');
    stage.transport.hold();
    communicator = stage.communicatorWith({ coalescing: true, attemptTimeout: '10s' });
  });

  afterEach(async () => {
    await stage.clock.advanceAsync(0);
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  const call = (request: Partial<ServiceCallRequest> = {}): Promise<unknown> =>
    communicator.callServiceJson('users', { path: '/users', ...request });
  const sent = async (): Promise<HeldExchange> => {
    const held = await stage.transport.nextHeld();
    await stage.clock.advanceAsync(0);
    return held;
  };

  it('become one request when identical and concurrent, and each caller gets its own response', async () => {
    const calls = [call(), call(), call()];
    (await sent()).respond({ body: { users: ['ada'] } });
    const answers = (await Promise.all(calls)) as { users: string[] }[];
    expect(stage.transport.sent).toHaveLength(1);
    answers[0]?.users.push('mallory');
    expect(answers.slice(1)).toEqual([{ users: ['ada'] }, { users: ['ada'] }]);
    expect(stage.typesOf('call.completed')).toHaveLength(3);
  });

  it('end together, after which the next call sends a request again', async () => {
    const first = call();
    (await sent()).respond({ body: 1 });
    await first;
    const second = call();
    (await sent()).respond({ body: 2 });
    expect(await second).toBe(2);
  });

  it('share an unparsed response, each with its own stream', async () => {
    const request = { path: '/file' };
    const calls = [communicator.callService('users', request), communicator.callService('users', request)];
    (await sent()).respond({ status: 404, headers: { 'x-list': ['x'] }, body: 'gone' });
    for (const response of await Promise.all(calls)) {
      expect(response).toMatchObject({ status: 404, headers: { 'x-list': ['x'] }, attempts: 1 });
      (response.headers['x-list'] as string[]).push('mallory');
      const chunks: unknown[] = [];
      for await (const chunk of response.body.stream) chunks.push(String(chunk));
      expect(chunks).toEqual(['gone']);
      expect(await response.body.text()).toBe('gone');
    }
  });

  it.each<[string, Partial<ServiceCallRequest>]>([
    ['path', { path: '/other' }],
    ['query', { query: { page: 2 } }],
    ['authorization', { headers: { Authorization: 'Bearer b' } }],
    ['cookie', { headers: { cookie: 'session=b' } }],
    ['accept', { headers: { accept: 'text/csv' } }],
    ['header of any other name', { headers: { 'x-tenant': 'b' } }],
    ['criteria', { criteria: { version: '*', tags: [] } }],
    ['key', { key: 'b' }],
    ['client', { clientIp: '10.0.0.1' }],
  ])('are separate if their %s differs', async (_, request) => {
    await stage.registry.deregister({ serviceName: 'users', instanceId: 'b' });
    await stage.registerOne({ instanceId: 'b', version: '1.0.0', port: 8002 });
    const calls = [call(), call(request)];
    (await sent()).respond({ body: 1 });
    (await sent()).respond({ body: 2 });
    expect(await Promise.all(calls)).toEqual([1, 2]);
  });

  it.each<[string, (limit: number) => Partial<ServiceCallRequest>]>([
    ['query', (limit) => ({ query: { limit } })],
    ['header', (limit) => ({ headers: { limit } })],
  ])('are separate if numbers in their %s differ that JSON maps to the same value', async (_, requestWith) => {
    const calls = [call(requestWith(Infinity)), call(requestWith(-Infinity))];
    (await sent()).respond({ body: 1 });
    (await sent()).respond({ body: 2 });
    expect(await Promise.all(calls)).toEqual([1, 2]);
  });

  it('are shared despite different tracing headers', async () => {
    const calls = ['1', '2'].map((id) => call({ headers: { 'x-request-id': id, traceparent: id } }));
    (await sent()).respond({ body: 1 });
    expect(await Promise.all(calls)).toEqual([1, 1]);
  });

  it.each<[string, Partial<ServiceCallRequest>]>([
    ['another method', { method: 'DELETE' }],
    ['a body', { body: 'x' }],
  ])('are never shared with %s', async (_, request) => {
    const calls = [call(request), call(request)];
    (await sent()).respond({ body: 1 });
    (await sent()).respond({ body: 2 });
    expect(await Promise.all(calls)).toEqual([1, 2]);
  });

  it('are shared by all communicators with equal settings', async () => {
    const same = stage.communicatorWith().withOptions({});
    expect(same).not.toBe(communicator);
    const derived = [{ retry: { maxAttempts: 3 } }, { retry: { maxAttempts: 3 } }, { retry: { maxAttempts: 4 } }];
    const calls = derived.map((options) =>
      communicator.withOptions(options).callServiceJson('users', { path: '/users' }),
    );
    (await sent()).respond({ body: 1 });
    (await sent()).respond({ body: 2 });
    expect(await Promise.all(calls)).toEqual([1, 1, 2]);
  });

  it('share the error and the number of attempts', async () => {
    const calls = [failure(call()), failure(call())];
    for (let attempt = 0; attempt < 2; attempt++) (await sent()).fail(refused());
    await stage.clock.advanceAsync(1_000);
    (await sent()).fail(refused());
    for (const error of await Promise.all(calls))
      expect(error).toMatchObject({ code: 'TRANSPORT_FAILURE', attempts: 3 });
    const completed = stage.events.filter(({ type }) => type === 'call.completed').map(({ payload }) => payload);
    expect(completed).toMatchObject([{ attempts: 3 }, { attempts: 3 }]);
  });

  it('let each caller handle a body that is not JSON', async () => {
    const calls = [
      failure(call()),
      communicator.callService('users', { path: '/users', headers: { accept: 'application/json' } }),
    ];
    (await sent()).respond({ body: '<html>' });
    expect(await calls[0]).toMatchObject({ code: 'RESPONSE_BODY', service: 'users' });
    expect(await calls[1]).toMatchObject({ status: 200 });
  });

  describe('with different timeouts', () => {
    it('end for each caller at its own timeout and continue for the others', async () => {
      const hasty = failure(call({ timeout: '1s' }));
      const patient = call({ timeout: '9s' });
      const held = await sent();
      await stage.clock.advanceAsync(1_000);
      expect(await hasty).toMatchObject({ code: 'DEADLINE_EXCEEDED', timeoutMs: 1_000, attempts: 1 });
      await stage.clock.advanceAsync(7_000);
      held.respond({ body: 1 });
      expect(await patient).toBe(1);
    });

    it('get the longest of the timeouts, which later attempts send as their deadline', async () => {
      const began = stage.clock.epoch();
      const hasty = call({ timeout: '1s' });
      const patient = call({ timeout: '9s' });
      (await sent()).fail(reset());
      const second = await sent();
      expect(stage.transport.sent.map(({ request }) => request.headers[DEADLINE_HEADER])).toEqual([
        String(began + 1_000),
        String(began + 9_000),
      ]);
      await stage.clock.advanceAsync(500);
      second.respond({ body: 1 });
      expect(await Promise.all([hasty, patient])).toEqual([1, 1]);
    });

    it('are not shared if attempt timeouts differ', async () => {
      const [hasty, patient] = [failure(call({ attemptTimeout: '1s', timeout: '1s' })), call()];
      await sent();
      const second = await sent();
      await stage.clock.advanceAsync(1_000);
      second.respond({ body: 1 });
      expect(await patient).toBe(1);
      await hasty;
    });

    it('continue when a caller aborts, and end with the last one', async () => {
      const [first, second] = [new AbortController(), new AbortController()];
      const calls = [first, second].map(({ signal }) => failure(call({ signal })));
      const held = await sent();
      first.abort(new Error('first'));
      expect((await calls[0])?.message).toBe('first');
      expect(held.signal?.aborted).toBe(false);
      second.abort(new Error('second'));
      expect((await calls[1])?.message).toBe('second');
      expect(held.signal?.aborted).toBe(true);
      await stage.clock.advanceAsync(0);
      for (const { signal } of [first, second]) expect(getEventListeners(signal, 'abort')).toHaveLength(0);
      expect(communicator.circuitBreakers()).toMatchObject([{ failures: 0 }]);
    });

    it('count against an instance that lets all of them time out', async () => {
      const calls = [failure(call({ timeout: '1s' })), failure(call({ timeout: '2s' }))];
      await sent();
      await stage.clock.advanceAsync(2_000);
      expect((await Promise.all(calls)).map(({ code }) => code)).toEqual(['DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED']);
      expect(communicator.circuitBreakers()).toMatchObject([{ failures: 1 }]);
    });
  });
});
