import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CallFixture, failure } from '../../testing/call-fixture.js';

describe('chaos in calls', () => {
  let stage: CallFixture;

  beforeEach(async () => {
    stage = await CallFixture.open();
    await stage.register('a');
  });

  afterEach(async () => {
    await stage.clock.advanceAsync(0);
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  it('with a status returns a response that the instance never sent, and counts against it', async () => {
    const communicator = stage.communicatorWith({
      chaos: { faultRate: 1, fault: 503 },
      retry: { maxAttempts: 2, baseDelay: 0 },
    });
    expect(await communicator.callService('users', { path: '/' })).toMatchObject({ status: 503, attempts: 2 });
    expect(stage.transport.sent).toHaveLength(0);
    expect(communicator.circuitBreakers()).toMatchObject([{ failures: 2 }]);
  });

  it('with an error fails the attempt', async () => {
    const fault = Object.assign(new Error('broken'), { code: 'ECONNRESET' });
    const communicator = stage.communicatorWith({ chaos: { faultRate: 1, fault }, retry: false });
    expect(await failure(communicator.callService('users', { path: '/' }))).toBe(fault);
  });

  it('with latency is bounded by the attempt timeout', async () => {
    const communicator = stage.communicatorWith({
      chaos: { latencyRate: 1, latency: '5s' },
      attemptTimeout: '1s',
      retry: false,
    });
    const call = failure(communicator.callService('users', { path: '/' }));
    await stage.clock.advanceAsync(1_000);
    expect((await call).code).toBe('ATTEMPT_TIMEOUT');
    expect(stage.transport.sent).toHaveLength(0);
    const patient = communicator.withOptions({ attemptTimeout: '10s' }).callServiceJson('users', { path: '/' });
    await stage.clock.advanceAsync(5_000);
    expect(await patient).toEqual({ from: 'a' });
  });

  it('with an outcome answers in place of the instance', async () => {
    const outcome = { status: 201, headers: { etag: 'x' }, body: { made: 'up' } };
    const communicator = stage.communicatorWith({ chaos: { outcomeRate: 1, outcome } });
    const response = await communicator.callService('users', { path: '/' });
    expect(response).toMatchObject({ status: 201, headers: { etag: 'x' }, instance: { instanceId: 'a' } });
    expect(await response.body.json()).toEqual({ made: 'up' });
    const plain = communicator.withOptions({ chaos: { outcome: () => ({ body: 'text' }) } });
    expect(await (await plain.callService('users', { path: '/' })).body.text()).toBe('text');
    const empty = communicator.withOptions({ chaos: { outcome: {} } });
    expect(await empty.callServiceJson('users', { path: '/' })).toBeUndefined();
    expect(stage.transport.sent).toHaveLength(0);
  });

  it('affects a fraction of calls and leaves the others alone', async () => {
    const communicator = stage.communicatorWith({ chaos: { faultRate: 0.25 }, retry: false, circuitBreaker: false });
    const statuses: number[] = [];
    for (let call = 0; call < 100; call++)
      statuses.push((await communicator.callService('users', { path: '/' })).status);
    expect(new Set(statuses)).toEqual(new Set([200, 503]));
    expect(stage.transport.sent).toHaveLength(statuses.filter((status) => status === 200).length);
  });
});
