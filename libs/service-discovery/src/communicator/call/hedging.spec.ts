import { getEventListeners } from 'node:events';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CallFixture, failure, refused, reset } from '../../testing/call-fixture.js';
import { type CommunicatorOptions } from '../options/index.js';
import { type ServiceCommunicator } from '../communicator.js';
import { type ServiceCallRequest } from '../request.js';

describe('hedging', () => {
  let stage: CallFixture;

  beforeEach(async () => {
    stage = await CallFixture.open();
    await stage.register('a', 'b', 'c');
    stage.transport.hold();
  });

  afterEach(async () => {
    await stage.clock.advanceAsync(0);
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  const hedging = (options: CommunicatorOptions = {}): ServiceCommunicator =>
    stage.communicatorWith({ hedging: { delay: '100ms' }, ...options });
  const call = (communicator: ServiceCommunicator, request: Partial<ServiceCallRequest> = {}): Promise<unknown> =>
    communicator.callServiceJson('users', { path: '/', ...request });

  it('sends a second attempt to another instance when one is slow, and the first answer wins', async () => {
    const communicator = hedging();
    const answer = call(communicator);
    const first = await stage.transport.nextHeld();
    await stage.clock.advanceAsync(100);
    const second = await stage.transport.nextHeld();
    expect(second.instance.instanceId).not.toBe(first.instance.instanceId);
    expect(stage.events.find(({ type }) => type === 'call.hedged')?.payload).toEqual({
      service: 'users',
      attempt: 2,
      afterMs: 100,
    });
    second.respond({ body: { it: 'second' } });
    expect(await answer).toEqual({ it: 'second' });
    expect(first.signal?.aborted).toBe(true);
    expect(stage.events.at(-1)?.payload).toMatchObject({
      ok: true,
      instanceId: second.instance.instanceId,
      attempts: 2,
    });
    expect(stage.typesOf('call.failed_over')).toEqual([]);
  });

  it('does not count against the overtaken attempt, and frees its slot', async () => {
    const communicator = hedging({ circuitBreaker: { failureThreshold: 1 }, concurrency: 1 });
    for (let n = 0; n < 3; n++) {
      const answer = call(communicator);
      await stage.transport.nextHeld();
      await stage.clock.advanceAsync(100);
      (await stage.transport.nextHeld()).respond({ body: n });
      await answer;
      await stage.clock.advanceAsync(0);
    }
    expect(communicator.circuitBreakers().every(({ state, failures }) => state === 'closed' && failures === 0)).toBe(
      true,
    );
    expect(communicator.explain('users').instances.map(({ active }) => active)).toEqual([0, 0, 0]);
  });

  it('lets the first attempt win if it answers first after all', async () => {
    const answer = call(hedging());
    const first = await stage.transport.nextHeld();
    await stage.clock.advanceAsync(100);
    const second = await stage.transport.nextHeld();
    first.respond({ body: { it: 'first' } });
    expect(await answer).toEqual({ it: 'first' });
    expect(second.signal?.aborted).toBe(true);
  });

  it('starts no attempt once the communicator closes', async () => {
    const communicator = hedging({ retry: { maxAttempts: 2 } });
    const answer = call(communicator);
    const first = await stage.transport.nextHeld();
    const closed = communicator.close();
    await stage.clock.advanceAsync(100);
    expect(stage.typesOf('call.hedged')).toEqual([]);
    first.respond({ body: 1 });
    expect(await answer).toBe(1);
    await closed;
  });

  it('starts no attempt if the answer arrives in time', async () => {
    const answer = call(hedging());
    (await stage.transport.nextHeld()).respond({ body: 1 });
    await answer;
    await stage.clock.advanceAsync(1_000);
    expect(stage.transport.sent).toHaveLength(1);
  });

  it.each<[string, Partial<ServiceCallRequest>]>([
    ['may not be sent twice', { method: 'POST', json: {} }],
    ['cannot be sent twice', { method: 'PUT', body: Readable.from(['x']) }],
  ])('does not hedge %s', async (_, request) => {
    const answer = call(hedging(), request);
    const held = await stage.transport.nextHeld();
    await stage.clock.advanceAsync(1_000);
    held.respond({ body: 1 });
    await answer;
    expect(stage.transport.sent).toHaveLength(1);
  });

  it('does not use the same instance twice', async () => {
    for (const instanceId of ['b', 'c']) await stage.registry.deregister({ serviceName: 'users', instanceId });
    const answer = call(hedging());
    const held = await stage.transport.nextHeld();
    await stage.clock.advanceAsync(1_000);
    held.respond({ body: 1 });
    await answer;
    expect(stage.transport.sent).toHaveLength(1);
  });

  it('spends the retry budget and counts towards the attempts', async () => {
    const budget = { ratio: 0, minPerSecond: 0.1, window: '10s' } as const;
    const communicator = hedging({ retry: { budget, maxAttempts: 5 } });
    const answers = [call(communicator), call(communicator)];
    const held = [await stage.transport.nextHeld(), await stage.transport.nextHeld()];
    await stage.clock.advanceAsync(100);
    expect(stage.transport.sent).toHaveLength(3);
    held.forEach((exchange) => exchange.respond({ body: 1 }));
    await Promise.all(answers);
    expect(communicator.explain('users').retriesLeft).toBe(0);
  });

  it('has a budget even if retries are off', async () => {
    expect(hedging({ retry: false }).explain('users')).toMatchObject({ retriesLeft: 100, hedgeAfterMs: 100 });
  });

  it('continues with the other attempt when one fails, and retries when all have', async () => {
    const answer = call(hedging());
    const first = await stage.transport.nextHeld();
    await stage.clock.advanceAsync(100);
    const second = await stage.transport.nextHeld();
    first.respond({ status: 503, body: 'busy' });
    await stage.clock.advanceAsync(0);
    expect(second.signal?.aborted).toBe(false);
    second.fail(refused());
    const third = await stage.transport.nextHeld();
    expect(new Set(stage.transport.targets).size).toBe(3);
    third.respond({ body: { it: 'third' } });
    expect(await answer).toEqual({ it: 'third' });
  });

  it('returns the failed response if no attempt follows', async () => {
    const answer = hedging({ retry: { maxAttempts: 2 } }).callService('users', { path: '/' });
    const first = await stage.transport.nextHeld();
    await stage.clock.advanceAsync(100);
    const second = await stage.transport.nextHeld();
    first.fail(reset());
    await stage.clock.advanceAsync(0);
    second.respond({ status: 503, body: 'busy' });
    const response = await answer;
    expect(response).toMatchObject({ status: 503, attempts: 2 });
    expect(await response.body.text()).toBe('busy');
  });

  it('accepts an error status that no other instance would fix', async () => {
    const answer = failure(call(hedging()));
    const first = await stage.transport.nextHeld();
    await stage.clock.advanceAsync(100);
    await stage.transport.nextHeld();
    first.respond({ status: 404, body: { message: 'gone' } });
    expect(await answer).toMatchObject({ code: 'RESPONSE_STATUS', status: 404, body: { message: 'gone' } });
  });

  it("leaves the winner's stream open, under the caller's control", async () => {
    const controller = new AbortController();
    const answer = hedging().callService('users', { path: '/', signal: controller.signal });
    await stage.transport.nextHeld();
    await stage.clock.advanceAsync(100);
    const source = new Readable({ read: () => undefined });
    (await stage.transport.nextHeld()).respond({ body: source });
    const { body } = await answer;
    await stage.clock.advanceAsync(60_000);
    expect(body.stream.destroyed).toBe(false);
    controller.abort();
    expect(source.destroyed).toBe(true);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it("ends with the call: at its deadline, which counts, or on the caller's abort, which does not", async () => {
    const communicator = hedging({ timeout: '1s', attemptTimeout: '1s', serviceCircuitBreaker: {} });
    const late = failure(call(communicator));
    await stage.clock.advanceAsync(1_000);
    expect(await late).toMatchObject({ code: 'DEADLINE_EXCEEDED', attempts: 2 });
    const controller = new AbortController();
    const aborted = failure(call(communicator, { signal: controller.signal }));
    await stage.clock.advanceAsync(100);
    controller.abort(new Error('left'));
    expect((await aborted).message).toBe('left');
    await stage.clock.advanceAsync(0);
    expect(stage.transport.sent.every(({ signal }) => signal?.aborted)).toBe(true);
    const ofService = communicator.circuitBreakers().find(({ instanceId }) => instanceId === undefined);
    expect(ofService).toMatchObject({ failures: 1 });
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it('is not reported as a failover, even after one', async () => {
    const answer = call(hedging({ retry: { maxAttempts: 4 } }));
    (await stage.transport.nextHeld()).fail(refused());
    await stage.transport.nextHeld();
    await stage.clock.advanceAsync(100);
    (await stage.transport.nextHeld()).respond({ body: 1 });
    await answer;
    expect(stage.typesOf('call.hedged')).toHaveLength(1);
    expect(stage.typesOf('call.failed_over')).toHaveLength(1);
  });

  it('treats an attempt that timed out as a slow one', async () => {
    const communicator = stage.communicatorWith({
      hedging: { delay: { window: '1h' } },
      attemptTimeout: '1s',
      retry: false,
      circuitBreaker: false,
    });
    for (let n = 0; n < 20; n++) {
      const late = failure(call(communicator));
      await stage.clock.advanceAsync(1_000);
      await late;
    }
    expect(communicator.explain('users').hedgeAfterMs).toBeGreaterThan(900);
  });

  it("derives the delay from the service's latencies by default", async () => {
    const communicator = stage.communicatorWith({ hedging: {} });
    stage.transport.answer(() => {
      stage.clock.advance(10);
      return { body: 1 };
    });
    for (let n = 0; n < 20; n++) {
      expect(communicator.explain('users').hedgeAfterMs).toBeUndefined();
      await call(communicator);
    }
    expect(communicator.explain('users').hedgeAfterMs).toBeCloseTo(10, 0);
    expect(communicator.withOptions({ timeout: '5s' }).explain('users').hedgeAfterMs).toBeCloseTo(10, 0);
  });
});
