import { getEventListeners, once } from 'node:events';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createLoadBalancer, type LoadBalancer, type LoadBalancerDeps } from '../../balancing/index.js';
import { CancelSource, type Outcome, TransportError } from '../../common/index.js';
import {
  balancerOf,
  CallFixture,
  failure,
  firstListed,
  firstWilling,
  refused,
  reset,
} from '../../testing/call-fixture.js';

describe('a call through failures', () => {
  let stage: CallFixture;

  beforeEach(async () => {
    stage = await CallFixture.open();
  });

  afterEach(async () => {
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  describe('a retry', () => {
    it('goes to an untried instance at once', async () => {
      await stage.register('a', 'b');
      stage.failOn('a');
      const communicator = stage.communicatorWith();
      for (let call = 0; call < 4; call++) {
        expect(await communicator.callServiceJson('users', { path: '/' })).toEqual({ from: 'b' });
      }
      expect(
        stage.events.filter(({ type }) => type === 'call.retried').every(({ payload }) => payload.delayMs === 0),
      ).toBe(true);
      expect(stage.events.find(({ type }) => type === 'call.failed_over')?.payload).toMatchObject({
        from: 'a',
        to: 'b',
      });
    });

    it('waits for the backoff when no other instance is left, and stops at the last attempt', async () => {
      await stage.register('a');
      stage.transport.answer(() => {
        throw reset();
      });
      const communicator = stage.communicatorWith({ retry: { maxAttempts: 3, baseDelay: '1s', jitter: 'none' } });
      const call = failure(communicator.callService('users', { path: '/' }));
      await stage.clock.advanceAsync(999);
      expect(stage.transport.sent).toHaveLength(1);
      await stage.clock.advanceAsync(1);
      expect(stage.transport.sent).toHaveLength(2);
      await stage.clock.advanceAsync(2_000);
      expect(await call).toMatchObject({ code: 'TRANSPORT_FAILURE', attempts: 3 });
    });

    it('honours Retry-After, and is skipped if that exceeds the deadline', async () => {
      await stage.register('a');
      stage.transport.answer(() => ({ status: 503, headers: { 'retry-after': '2' } }));
      const patient = stage.communicatorWith({ retry: { maxAttempts: 2, baseDelay: 0 } });
      const call = patient.callService('users', { path: '/' });
      await stage.clock.advanceAsync(1_999);
      expect(stage.transport.sent).toHaveLength(1);
      await stage.clock.advanceAsync(1);
      expect(await call).toMatchObject({ status: 503, attempts: 2 });

      const hasty = patient.withOptions({ timeout: '1s' });
      expect(await hasty.callService('users', { path: '/' })).toMatchObject({ status: 503, attempts: 1 });
    });

    it.each([
      ['a POST that may have arrived', { method: 'POST' as const, json: {} }, reset, 1],
      ['a POST that surely never left', { method: 'POST' as const, json: {} }, refused, 2],
      ['a POST with an idempotency key', { method: 'POST' as const, json: {}, idempotencyKey: 'k1' }, reset, 2],
      ['a PUT', { method: 'PUT' as const, json: {} }, reset, 2],
      ['a PUT of a stream', { method: 'PUT' as const, body: Readable.from(['x']) }, reset, 1],
    ])('of %s', async (_, request, error, attempts) => {
      await stage.register('a', 'b');
      stage.transport.answer(() => {
        throw error();
      });
      await failure(
        stage.communicatorWith({ retry: { maxAttempts: 2 } }).callService('users', { path: '/', ...request }),
      );
      expect(stage.transport.sent).toHaveLength(attempts);
    });

    it('is refused when the retry budget is exhausted, with the failure as the cause', async () => {
      await stage.register('a', 'b');
      stage.transport.answer(() => {
        throw reset();
      });
      const budget = { ratio: 0, minPerSecond: 0.1, window: '10s' } as const;
      const communicator = stage.communicatorWith({ retry: { maxAttempts: 2, budget }, circuitBreaker: false });
      expect((await failure(communicator.callService('users', { path: '/' }))).code).toBe('TRANSPORT_FAILURE');
      const error = await failure(communicator.callService('users', { path: '/' }));
      expect(error).toMatchObject({ code: 'RETRY_BUDGET_EXHAUSTED', attempts: 1 });
      expect(error.cause).toBeInstanceOf(TransportError);
    });

    it('is skipped if the server asks for a longer pause than the maximum delay', async () => {
      await stage.register('a');
      stage.transport.answer(() => ({ status: 503, headers: { 'retry-after': '20' } }));
      const communicator = stage.communicatorWith({ retry: { baseDelay: '100ms', maxDelay: '1s' } });
      expect(await communicator.callService('users', { path: '/' })).toMatchObject({ status: 503, attempts: 1 });
    });

    it('does not wait for the body that it discards, and drops one that never ends', async () => {
      await stage.register('a', 'b');
      const endless = new Readable({ read: () => undefined });
      let asked = 0;
      stage.transport.answer((_instance, _request, signal) => {
        if (++asked > 1) return { body: { ok: true } };
        signal?.addEventListener('abort', () => endless.destroy(signal.reason as Error));
        return { status: 503, body: endless };
      });
      const communicator = stage.communicatorWith({ attemptTimeout: '2s' });
      expect(await communicator.callServiceJson('users', { path: '/' })).toEqual({ ok: true });
      expect(endless.destroyed).toBe(false);
      await stage.clock.advanceAsync(2_000);
      expect(endless.destroyed).toBe(true);
    });

    it('frees the connection of the response that it discards', async () => {
      await stage.register('a', 'b');
      const bodies: Readable[] = [];
      stage.transport.answer(() => {
        const body = Readable.from([Buffer.from('busy')]);
        bodies.push(body);
        return { status: 503, body };
      });
      await stage.communicatorWith({ retry: { maxAttempts: 2 } }).callService('users', { path: '/' });
      await stage.clock.advanceAsync(0);
      expect(bodies.map((body) => body.destroyed || body.readableEnded)).toEqual([true, false]);
    });
  });

  describe('the circuit of an instance', () => {
    it('opens, diverts its calls to the others, and lets a probe through after the recovery time', async () => {
      await stage.register('a', 'b');
      stage.failOn('a');
      const communicator = stage.communicatorWith({ circuitBreaker: { failureThreshold: 2, recoveryTimeout: '30s' } });
      for (let call = 0; call < 10; call++) await communicator.callServiceJson('users', { path: '/' });
      expect(stage.transport.targets.filter((id) => id === 'a')).toHaveLength(2);
      expect(communicator.circuitBreakers()).toContainEqual(
        expect.objectContaining({ instanceId: 'a', state: 'open', retryAfterMs: 30_000 }),
      );

      stage.transport.answer(() => ({}));
      stage.clock.advance(30_000);
      for (let call = 0; call < 4; call++) await communicator.callService('users', { path: '/' });
      expect(communicator.circuitBreakers().map(({ state }) => state)).toEqual(['closed', 'closed']);
      expect(stage.typesOf('circuit.')).toEqual(['circuit.opened', 'circuit.half_opened', 'circuit.closed']);
    });

    it('reports the remaining time if all circuits are open', async () => {
      await stage.register('a');
      stage.transport.answer(() => ({ status: 500 }));
      const communicator = stage.communicatorWith({ circuitBreaker: { failureThreshold: 1, recoveryTimeout: '30s' } });
      await communicator.callService('users', { path: '/' });
      stage.clock.advance(10_000);
      expect(await failure(communicator.callService('users', { path: '/' }))).toMatchObject({
        code: 'CIRCUIT_OPEN',
        retryAfterMs: 20_000,
      });
      expect(stage.events.find(({ type }) => type === 'call.refused')?.payload).toMatchObject({
        stage: 'circuit_breaker',
        code: 'CIRCUIT_OPEN',
        retryAfterMs: 20_000,
      });
      expect(stage.transport.sent).toHaveLength(1);
    });

    it('is closed for an instance that registers again under the id, as a restarted process does', async () => {
      await stage.register('a');
      stage.transport.answer(() => ({ status: 500 }));
      const communicator = stage.communicatorWith({ circuitBreaker: { failureThreshold: 1, recoveryTimeout: '30s' } });
      await communicator.callService('users', { path: '/' });
      await stage.registry.setStatus({ serviceName: 'users', instanceId: 'a' }, 'unhealthy');
      expect(communicator.circuitBreakers()).toMatchObject([{ state: 'open' }]);

      await stage.register('a');
      stage.transport.answer(() => ({}));
      expect(await communicator.callService('users', { path: '/' })).toMatchObject({ status: 200 });
      expect(stage.typesOf('circuit.')).toEqual(['circuit.opened', 'circuit.closed']);
    });

    it('spares the caller a pointless wait if it opens at the failure itself', async () => {
      await stage.register('a');
      stage.transport.answer(() => ({ status: 503 }));
      const communicator = stage.communicatorWith({
        circuitBreaker: { failureThreshold: 1, recoveryTimeout: '60s' },
        timeout: '30s',
      });
      expect(await communicator.callService('users', { path: '/' })).toMatchObject({ status: 503, attempts: 1 });
    });

    it('is named in a refusal even if other instances are excluded for other reasons', async () => {
      await stage.registerOne({ instanceId: 'a', port: 8001, version: '1.0.0' });
      await stage.registerOne({ instanceId: 'newer', port: 8002, version: '2.0.0' });
      await stage.registerOne({ instanceId: 'idle', port: 8003, version: '1.0.0', weight: 0 });
      stage.transport.answer(() => ({ status: 500 }));
      const communicator = stage.communicatorWith({ circuitBreaker: { failureThreshold: 1, recoveryTimeout: '30s' } });
      const request = { path: '/', criteria: { version: '^1' } };
      await communicator.callService('users', request);
      expect(await failure(communicator.callService('users', request))).toMatchObject({
        code: 'CIRCUIT_OPEN',
        retryAfterMs: 30_000,
      });
    });

    it('refuses calls even with a balancer that does not ask', async () => {
      await stage.register('a');
      stage.transport.answer(() => ({ status: 500 }));
      const outcomes: Outcome[] = [];
      const loadBalancing = balancerOf(firstListed, (outcome) => outcomes.push(outcome));
      const communicator = stage.communicatorWith({ loadBalancing, circuitBreaker: { failureThreshold: 1 } });
      await communicator.callService('users', { path: '/' });
      expect((await failure(communicator.callService('users', { path: '/' }))).code).toBe('CIRCUIT_OPEN');
      expect(stage.transport.sent).toHaveLength(1);
      expect(outcomes).toMatchObject([{ kind: 'response' }, { kind: 'error', neverSent: true }]);
    });

    it('is named in a refusal even if its recovery time ends in the same moment', async () => {
      await stage.register('a');
      stage.transport.answer(() => ({ status: 501 }));
      const loadBalancing = balancerOf((instances, context) => {
        const instance = firstWilling(instances, context);
        stage.clock.advance(1_000);
        return instance;
      });
      const communicator = stage.communicatorWith({
        loadBalancing,
        circuitBreaker: { failureThreshold: 1, recoveryTimeout: '1s' },
      });
      await communicator.callService('users', { path: '/' });
      expect(await failure(communicator.callService('users', { path: '/' }))).toMatchObject({
        code: 'CIRCUIT_OPEN',
        retryAfterMs: 0,
      });
    });

    it('survives changes of the service that do not concern the instance', async () => {
      await stage.register('a', 'b');
      stage.failOn('a');
      const communicator = stage.communicatorWith({ circuitBreaker: { failureThreshold: 1 } });
      for (let call = 0; call < 2; call++) await communicator.callServiceJson('users', { path: '/' });
      await stage.registerOne({ instanceId: 'c', port: 8003 });
      await stage.registry.setStatus({ serviceName: 'users', instanceId: 'b' }, 'healthy');
      await stage.clock.advanceAsync(0);
      expect(communicator.circuitBreakers().find(({ instanceId }) => instanceId === 'a')?.state).toBe('open');
    });
  });

  it("does not stand in for the balancer's own reason", async () => {
    await stage.register('a');
    const loadBalancing = (): LoadBalancer => ({
      update: () => undefined,
      pick: () => ({ kind: 'unavailable', reason: 'none_available' }),
    });
    const communicator = stage.communicatorWith({ loadBalancing });
    expect((await failure(communicator.callService('users', { path: '/' }))).code).toBe('NO_AVAILABLE_INSTANCE');
  });

  describe('time', () => {
    it('leads to another instance when an attempt times out', async () => {
      await stage.register('a', 'b');
      stage.transport.hold();
      const call = stage.communicatorWith({ attemptTimeout: '1s' }).callService('users', { path: '/' });
      const first = await stage.transport.nextHeld();
      await stage.clock.advanceAsync(1_000);
      const second = await stage.transport.nextHeld();
      expect(first.signal?.aborted).toBe(true);
      expect(second.instance.instanceId).not.toBe(first.instance.instanceId);
      second.respond();
      expect((await call).attempts).toBe(2);
    });

    it('of the whole call bounds all attempts together', async () => {
      await stage.register('a', 'b', 'c');
      stage.transport.hold();
      const call = failure(
        stage.communicatorWith({ timeout: '3s', attemptTimeout: '2s' }).callService('users', { path: '/' }),
      );
      await stage.clock.advanceAsync(3_000);
      expect(await call).toMatchObject({ code: 'DEADLINE_EXCEEDED', attempts: 2, timeoutMs: 3_000 });
      expect(stage.transport.sent.every(({ signal }) => signal?.aborted)).toBe(true);
    });

    it('includes the body if the communicator reads it', async () => {
      await stage.register('a');
      stage.transport.answer((_instance, _request, signal) => {
        const body = new Readable({ read: () => undefined });
        signal?.addEventListener('abort', () => body.destroy(signal.reason as Error));
        return { body };
      });
      const call = failure(
        stage.communicatorWith({ timeout: '1s', attemptTimeout: '1s' }).callServiceJson('users', { path: '/' }),
      );
      await stage.clock.advanceAsync(1_000);
      expect((await call).code).toMatch(/DEADLINE_EXCEEDED|ATTEMPT_TIMEOUT/);
    });
  });

  it('leads to another instance when a body never ends', async () => {
    await stage.register('a', 'b');
    stage.transport.answer(({ instanceId }) =>
      stage.transport.sent.length === 1
        ? { body: new Readable({ read: () => undefined }) }
        : { body: { from: instanceId } },
    );
    const communicator = stage.communicatorWith({ attemptTimeout: '1s' });
    const answer = communicator.callServiceJson('users', { path: '/' });
    await stage.clock.advanceAsync(1_000);
    expect(await answer).toEqual({ from: stage.transport.targets[1] });
    expect(new Set(stage.transport.targets).size).toBe(2);
    expect(
      communicator
        .circuitBreakers()
        .map(({ failures }) => failures)
        .sort(),
    ).toEqual([0, 1]);
  });

  describe("the caller's abort", () => {
    it('rejects at once with its own reason, is not counted, and ends all work', async () => {
      await stage.register('a', 'b');
      stage.transport.hold();
      const communicator = stage.communicatorWith({ circuitBreaker: { failureThreshold: 1 } });
      const controller = new AbortController();
      const call = failure(communicator.callService('users', { path: '/', signal: controller.signal }));
      await stage.transport.nextHeld();
      const reason = new Error('changed my mind');
      controller.abort(reason);
      expect(await call).toBe(reason);
      await stage.clock.advanceAsync(60_000);
      expect(stage.transport.sent).toHaveLength(1);
      expect(communicator.circuitBreakers().every(({ state, failures }) => state === 'closed' && failures === 0)).toBe(
        true,
      );
    });

    it('is not a failure of the instance to the balancer, whatever the reason', async () => {
      await stage.register('a');
      stage.transport.hold();
      const outcomes: Outcome[] = [];
      const loadBalancing = (deps: LoadBalancerDeps): LoadBalancer => {
        const balancer = createLoadBalancer('random', deps);
        return {
          update: (instances) => balancer.update(instances),
          pick: (context) => {
            const result = balancer.pick(context);
            return result.kind === 'picked' ? { ...result, done: (outcome) => void outcomes.push(outcome) } : result;
          },
        };
      };
      const controller = new AbortController();
      const communicator = stage.communicatorWith({ loadBalancing });
      const call = failure(communicator.callService('users', { path: '/', signal: controller.signal }));
      await stage.transport.nextHeld();
      controller.abort(new Error('changed my mind'));
      await call;
      expect(outcomes).toMatchObject([{ kind: 'error', abandoned: true }]);
    });

    it('may come without an AbortSignal', async () => {
      await stage.register('a');
      stage.transport.hold();
      const cancellation = new CancelSource();
      const call = failure(stage.communicatorWith().callService('users', { path: '/', cancellation }));
      await stage.transport.nextHeld();
      const reason = new Error('given up');
      cancellation.abort(reason);
      expect(await call).toBe(reason);
      expect(stage.events.find(({ type }) => type === 'call.completed')?.payload).toMatchObject({ code: 'ABORTED' });
    });

    it('rejects at once during a backoff', async () => {
      await stage.register('a');
      stage.transport.answer(() => {
        throw reset();
      });
      const controller = new AbortController();
      const call = failure(stage.communicatorWith().callService('users', { path: '/', signal: controller.signal }));
      await stage.clock.advanceAsync(0);
      controller.abort();
      expect((await call).name).toBe('AbortError');
      await stage.clock.advanceAsync(60_000);
      expect(stage.transport.sent).toHaveLength(1);
    });

    it('may end any number of calls and responses with a single listener', async () => {
      await stage.register('a');
      const sources: Readable[] = [];
      stage.transport.answer(() => {
        const body = new Readable({ read: () => undefined });
        sources.push(body);
        return { body };
      });
      const controller = new AbortController();
      const communicator = stage.communicatorWith();
      for (let call = 0; call < 12; call++) {
        await communicator.callService('users', { path: '/', signal: controller.signal });
      }
      expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
      for (const source of sources.slice(1)) {
        source.destroy();
        await once(source, 'close');
      }
      controller.abort();
      expect(sources.every((source) => source.destroyed)).toBe(true);
    });

    it('of an unread response causes no unhandled rejection', async () => {
      await stage.register('a');
      const source = new Readable({ read: () => undefined });
      stage.transport.answer(() => ({ body: source }));
      const controller = new AbortController();
      await stage.communicatorWith().callService('users', { path: '/', signal: controller.signal });
      controller.abort();
      await new Promise((resolve) => source.once('close', resolve));
    });

    it('leaves no listener at the signal once the response was read', async () => {
      await stage.register('a');
      const controller = new AbortController();
      const { body } = await stage.communicatorWith().callService('users', { path: '/', signal: controller.signal });
      await body.text();
      expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    });

    it('is distinguished from a failure in events', async () => {
      await stage.register('a');
      stage.transport.hold();
      const controller = new AbortController();
      const call = failure(stage.communicatorWith().callService('users', { path: '/', signal: controller.signal }));
      await stage.transport.nextHeld();
      controller.abort();
      await call;
      expect(stage.events.find(({ type }) => type === 'call.completed')?.payload).toMatchObject({
        ok: false,
        code: 'ABORTED',
      });
    });

    it('ends the stream of a response that the caller already has', async () => {
      await stage.register('a');
      const source = new Readable({ read: () => undefined });
      stage.transport.answer(() => ({ body: source }));
      const controller = new AbortController();
      const { body } = await stage.communicatorWith().callService('users', { path: '/', signal: controller.signal });
      const read = failure(body.text());
      const reason = new Error('enough');
      controller.abort(reason);
      expect(await read).toBe(reason);
      expect(source.destroyed).toBe(true);
    });
  });
});
