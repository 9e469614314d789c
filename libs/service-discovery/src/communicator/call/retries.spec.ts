import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LoadBalancingStrategy } from '../../balancing/index.js';
import { CallFixture, failure, refused, reset } from '../../testing/call-fixture.js';

describe('the retries of a call', () => {
  let stage: CallFixture;

  beforeEach(async () => {
    stage = await CallFixture.open();
    await stage.register('a', 'b');
  });

  afterEach(async () => {
    await stage.clock.advanceAsync(0);
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  it('avoid the failed instance while there is another one', async () => {
    stage.transport.answer(() => {
      throw reset();
    });
    const communicator = stage.communicatorWith({ retry: { maxAttempts: 2 }, circuitBreaker: false });
    for (let call = 0; call < 20; call++) {
      stage.transport.sent.length = 0;
      await failure(communicator.callService('users', { path: '/' }));
      expect(new Set(stage.transport.targets).size).toBe(2);
    }
  });

  it('are made for status 500 by default: with one of two instances returning it, no GET of 200 fails', async () => {
    const communicator = stage.communicatorWith();
    stage.transport.answer(({ instanceId }) => ({ status: instanceId === 'a' ? 500 : 200 }));
    const statuses: number[] = [];
    for (let call = 0; call < 200; call++) {
      statuses.push((await communicator.callService('users', { path: '/' })).status);
    }
    expect(statuses).toEqual(Array<number>(200).fill(200));
    expect(stage.transport.targets).toContain('a');
  });

  it.each([
    ['PUT', {}, 2],
    ['DELETE', {}, 2],
    ['POST with an idempotency key', { idempotencyKey: 'order-1' }, 2],
    ['POST', {}, 1],
    ['PATCH', {}, 1],
  ])('send a %s that got a 500 as often as allowed', async (what, more, sent) => {
    const method = what.split(' ')[0] as 'PUT';
    stage.transport.answer(() => ({ status: stage.transport.sent.length === 1 ? 500 : 200 }));
    const response = await stage.communicatorWith().callService('users', { method, path: '/', ...more });
    expect(response).toMatchObject({ status: sent === 1 ? 500 : 200, attempts: sent });
  });

  it.each([501, 505])('are not made for status %i, which would recur', async (status) => {
    stage.transport.answer(() => ({ status }));
    expect(await stage.communicatorWith().callService('users', { path: '/' })).toMatchObject({ status, attempts: 1 });
  });

  it('are made only for the listed statuses', async () => {
    const communicator = stage.communicatorWith({ retry: { retryableStatuses: [[502, 504]] } });
    stage.transport.answer(() => ({ status: 500 }));
    expect(await communicator.callService('users', { path: '/' })).toMatchObject({ status: 500, attempts: 1 });
  });

  it.each(Object.values(LoadBalancingStrategy))(
    'go around once every instance was tried: six attempts over three instances are two each, by %s',
    async (loadBalancing) => {
      await stage.register('a', 'b', 'c');
      stage.transport.answer(() => ({ status: 503 }));
      const communicator = stage.communicatorWith({
        loadBalancing,
        retry: { maxAttempts: 6, baseDelay: 0, budget: false },
        circuitBreaker: false,
      });
      for (let call = 0; call < 20; call++) {
        stage.transport.sent.length = 0;
        await communicator.callService('users', { path: '/', key: `user-${call}` });
        expect([...stage.transport.targets].sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
      }
    },
  );

  it('wait once every instance was tried, also in later rounds', async () => {
    stage.transport.answer(() => ({ status: 503 }));
    const communicator = stage.communicatorWith({
      retry: { maxAttempts: 5, baseDelay: 100, jitter: 'none' },
      circuitBreaker: false,
    });
    const call = communicator.callService('users', { path: '/' });
    await stage.clock.advanceAsync(700);
    expect(await call).toMatchObject({ status: 503, attempts: 5 });
    const delays = stage.events.filter(({ type }) => type === 'call.retried').map(({ payload }) => payload.delayMs);
    expect(delays).toEqual([0, 100, 200, 400]);
  });

  it('are made only for the listed errors', async () => {
    const communicator = stage.communicatorWith({ retry: { retryableErrors: ['ECONNRESET'] } });
    const coded = (code: string): Error => Object.assign(reset(), { cause: Object.assign(new Error(code), { code }) });
    stage.transport.answer(() => {
      throw coded('EPIPE');
    });
    expect((await failure(communicator.callService('users', { path: '/' }))).attempts).toBe(1);
    stage.transport.answer(({ instanceId }) => {
      if (stage.transport.sent.length === 2) throw coded('ECONNRESET');
      return { body: { from: instanceId } };
    });
    expect((await communicator.callService('users', { path: '/' })).attempts).toBe(2);
  });

  it('for listed errors do not affect statuses', async () => {
    stage.transport.answer(() => ({ status: stage.transport.sent.length === 1 ? 503 : 200 }));
    const communicator = stage.communicatorWith({ retry: { retryableErrors: ['ECONNRESET'] } });
    expect(await communicator.callService('users', { path: '/' })).toMatchObject({ status: 200, attempts: 2 });
  });

  it('are paid for by regular calls', async () => {
    const budget = { ratio: 1, minPerSecond: 0 };
    const communicator = stage.communicatorWith({ retry: { maxAttempts: 2, budget }, circuitBreaker: false });
    stage.transport.answer(() => {
      throw reset();
    });
    for (let call = 0; call < 5; call++) {
      expect(await failure(communicator.callService('users', { path: '/' }))).toMatchObject({ attempts: 2 });
    }
  });

  it('return the last response when the retry budget is exhausted', async () => {
    stage.transport.answer(() => ({ status: 503, body: 'busy' }));
    const communicator = stage.communicatorWith({ retry: { budget: { ratio: 0, minPerSecond: 0 } } });
    const response = await communicator.callService('users', { path: '/' });
    expect(response).toMatchObject({ status: 503, attempts: 1 });
    expect(await response.body.text()).toBe('busy');
  });

  it('wait for the pushback of the service, wherever they go', async () => {
    const answer = { status: 503, headers: { 'grpc-retry-pushback-ms': '300' } };
    stage.transport.answer(() => (stage.transport.sent.length === 1 ? answer : {}));
    const call = stage.communicatorWith().callService('users', { path: '/' });
    await stage.clock.advanceAsync(299);
    expect(stage.transport.sent).toHaveLength(1);
    await stage.clock.advanceAsync(1);
    expect(await call).toMatchObject({ status: 200, attempts: 2 });
    expect(stage.events.find(({ type }) => type === 'call.retried')?.payload).toMatchObject({ delayMs: 300 });
  });

  it('are not made if the service forbids them', async () => {
    stage.transport.answer(() => ({ status: 503, headers: { 'grpc-retry-pushback-ms': '-1' } }));
    expect(await stage.communicatorWith().callService('users', { path: '/' })).toMatchObject({
      status: 503,
      attempts: 1,
    });
  });

  it('start at the shortest wait, however many instances were tried at once before', async () => {
    stage.transport.answer(() => {
      throw refused();
    });
    const communicator = stage.communicatorWith({ retry: { maxAttempts: 4, baseDelay: '1s', jitter: 'none' } });
    const call = failure(communicator.callService('users', { path: '/' }));
    await stage.clock.advanceAsync(3_000);
    expect((await call).attempts).toBe(4);
    const delays = stage.events.filter(({ type }) => type === 'call.retried').map(({ payload }) => payload.delayMs);
    expect(delays).toEqual([0, 1_000, 2_000]);
  });
});
