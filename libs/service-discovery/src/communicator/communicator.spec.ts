import { getEventListeners, once } from 'node:events';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createLoadBalancer, type LoadBalancer, type LoadBalancerDeps } from '../balancing/index.js';
import { type Outcome, seededRandom, type ServiceDiscoveryError, TransportError } from '../common/index.js';
import { type EventName, type EventSink, type ServiceInstance, type ServiceRegistration } from '../model/index.js';
import { ServiceRegistry } from '../registry/index.js';
import { MemoryRegistryStore } from '../store/index.js';
import { FakeTransport } from '../testing/fake-transport.js';
import { ManualClock } from '../testing/manual-clock.js';
import { type CommunicatorDefaults, ServiceCommunicator } from './communicator.js';
import { FallbackFailedError } from './fallback-call.js';

const refused = (): TransportError => new TransportError('connect ECONNREFUSED', true);
const reset = (): TransportError => new TransportError('socket hang up', false);

/** The error of a promise that must reject. */
async function failure(promise: Promise<unknown>): Promise<ServiceDiscoveryError> {
  return promise.then(
    () => {
      throw new Error('expected a rejection');
    },
    (error: unknown) => error as ServiceDiscoveryError,
  );
}

describe('ServiceCommunicator', () => {
  let clock: ManualClock;
  let store: MemoryRegistryStore;
  let registry: ServiceRegistry;
  let transport: FakeTransport;
  let events: { type: EventName; payload: Record<string, unknown> }[];

  const communicatorWith = (defaults: CommunicatorDefaults = {}): ServiceCommunicator => {
    const sink: EventSink = {
      emit: (type, payload) => void events.push({ type, payload: payload }),
    };
    return new ServiceCommunicator({ registry, transport, clock, random: seededRandom(1), events: sink }, defaults);
  };
  const register = async (...ids: string[]): Promise<void> => {
    for (const [index, instanceId] of ids.entries()) await registerOne({ instanceId, port: 8001 + index });
  };
  const registerOne = async (registration: Partial<ServiceRegistration>): Promise<void> => {
    const full = { serviceName: 'users', host: '127.0.0.1', port: 8000, ...registration };
    await registry.register(full, { heartbeat: 'manual' });
  };
  const failOn = (failing: string, error: () => unknown = reset): void => {
    transport.answer((instance) => {
      if (instance.instanceId === failing) throw error();
      return { body: { from: instance.instanceId } };
    });
  };
  const typesOf = (prefix: string): string[] =>
    events.map(({ type }) => type).filter((type) => type.startsWith(prefix));

  beforeEach(async () => {
    clock = new ManualClock();
    store = new MemoryRegistryStore({ clock });
    registry = new ServiceRegistry(store, {}, { clock, random: seededRandom(1) });
    await registry.start();
    transport = new FakeTransport((instance) => ({ body: { from: instance.instanceId } }));
    events = [];
  });

  afterEach(async () => {
    await registry.close();
    await store.close();
    expect(clock.pendingTimers).toBe(0);
  });

  describe('a call', () => {
    it('goes to an instance of the service and comes back with who answered', async () => {
      await register('a');
      const response = await communicatorWith().callService('users', {
        method: 'post',
        path: '/users',
        query: { page: 2 },
        headers: { 'X-Trace': 'abc' },
        json: { name: 'Ada' },
      });
      expect(response).toMatchObject({ status: 200, attempts: 1, instance: { instanceId: 'a' } });
      expect(await response.body.json()).toEqual({ from: 'a' });
      expect(transport.sent[0]?.request).toMatchObject({
        method: 'POST',
        path: '/users',
        query: { page: 2 },
        headers: { 'x-trace': 'abc', 'content-type': 'application/json' },
        body: '{"name":"Ada"}',
      });
    });

    it('is spread over the instances', async () => {
      await register('a', 'b', 'c');
      const communicator = communicatorWith();
      for (let call = 0; call < 6; call++) await communicator.callServiceJson('users', { path: '/' });
      expect([...transport.targets].sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
    });

    it('to an unknown service is refused and sends nothing', async () => {
      const error = await failure(communicatorWith().callService('nobody', { path: '/' }));
      expect(error).toMatchObject({ code: 'SERVICE_NOT_FOUND', service: 'nobody', attempts: 0 });
      expect(transport.sent).toHaveLength(0);
    });

    it('to a service without an available instance says so', async () => {
      await register('a');
      await registry.setStatus({ serviceName: 'users', instanceId: 'a' }, 'maintenance');
      await clock.advanceAsync(0);
      const error = await failure(communicatorWith().callService('users', { path: '/' }));
      expect(error.code).toBe('NO_AVAILABLE_INSTANCE');
    });

    it.each([
      [{ path: 'users' }, 'path'],
      [{ path: '/a b' }, 'path'],
      [{ path: '/', method: 'FETCH' as 'GET' }, 'method'],
      [{ path: '/', json: {}, body: 'x' }, 'body'],
      [{ path: '/', headers: { 'x-a': 'b\r\nx-c: d' } }, 'headers.x-a'],
      [{ path: '/', timeout: 'soon' }, 'timeout'],
    ])('that is wrong (%j) is refused before anything is sent, naming %s', async (request, field) => {
      await register('a');
      const error = await failure(communicatorWith().callService('users', request));
      expect(error.code).toBe('INVALID_REQUEST');
      expect(error.message).toContain(field);
      expect(transport.sent).toHaveLength(0);
    });

    it('asks for matching instances only', async () => {
      await registerOne({ instanceId: 'old', version: '1.0.0', port: 8001 });
      await registerOne({ instanceId: 'new', version: '2.1.0', port: 8002 });
      const communicator = communicatorWith();
      for (let call = 0; call < 3; call++)
        await communicator.callServiceJson('users', { path: '/', criteria: { version: '^2' } });
      expect(transport.targets).toEqual(['new', 'new', 'new']);
      const error = await failure(communicator.callService('users', { path: '/', criteria: { version: '^3' } }));
      expect(error.code).toBe('NO_AVAILABLE_INSTANCE');
    });
  });

  describe('a status error', () => {
    it('is a response for callService', async () => {
      await register('a');
      transport.answer(() => ({ status: 404, body: { message: 'no such user' } }));
      const response = await communicatorWith().callService('users', { path: '/users/1' });
      expect(response.status).toBe(404);
    });

    it('is a typed error that keeps the body for callServiceJson', async () => {
      await register('a');
      transport.answer(() => ({ status: 422, body: { message: 'bad name' } }));
      const error = await failure(communicatorWith().callServiceJson('users', { path: '/users/1' }));
      expect(error).toMatchObject({
        code: 'RESPONSE_STATUS',
        status: 422,
        body: { message: 'bad name' },
        service: 'users',
        instanceId: 'a',
      });
    });

    it('of the caller neither opens a circuit nor is retried', async () => {
      await register('a');
      transport.answer(() => ({ status: 400 }));
      const communicator = communicatorWith({ circuitBreaker: { failureThreshold: 1 } });
      for (let call = 0; call < 3; call++) await communicator.callService('users', { path: '/' });
      expect(transport.sent).toHaveLength(3);
      expect(communicator.circuitBreakers()[0]?.state).toBe('closed');
    });
  });

  describe('a retry', () => {
    it('goes at once to an instance that was not tried yet', async () => {
      await register('a', 'b');
      failOn('a');
      const communicator = communicatorWith();
      for (let call = 0; call < 4; call++) {
        expect(await communicator.callServiceJson('users', { path: '/' })).toEqual({ from: 'b' });
      }
      expect(events.filter(({ type }) => type === 'call.retried').every(({ payload }) => payload.delayMs === 0)).toBe(
        true,
      );
      expect(events.find(({ type }) => type === 'call.failed_over')?.payload).toMatchObject({ from: 'a', to: 'b' });
    });

    it('waits for the backoff where nobody else is left, and stops at the last attempt', async () => {
      await register('a');
      transport.answer(() => {
        throw reset();
      });
      const communicator = communicatorWith({ retry: { maxAttempts: 3, baseDelay: '1s', jitter: 'none' } });
      const call = failure(communicator.callService('users', { path: '/' }));
      await clock.advanceAsync(999);
      expect(transport.sent).toHaveLength(1);
      await clock.advanceAsync(1);
      expect(transport.sent).toHaveLength(2);
      await clock.advanceAsync(2_000);
      expect(await call).toMatchObject({ code: 'TRANSPORT_FAILURE', attempts: 3 });
    });

    it('minds Retry-After, and is left out where that lies beyond the deadline', async () => {
      await register('a');
      transport.answer(() => ({ status: 503, headers: { 'retry-after': '2' } }));
      const patient = communicatorWith({ retry: { maxAttempts: 2, baseDelay: 0 } });
      const call = patient.callService('users', { path: '/' });
      await clock.advanceAsync(1_999);
      expect(transport.sent).toHaveLength(1);
      await clock.advanceAsync(1);
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
      await register('a', 'b');
      transport.answer(() => {
        throw error();
      });
      await failure(communicatorWith({ retry: { maxAttempts: 2 } }).callService('users', { path: '/', ...request }));
      expect(transport.sent).toHaveLength(attempts);
    });

    it('is refused once the budget is used up, with the failure as the cause', async () => {
      await register('a', 'b');
      transport.answer(() => {
        throw reset();
      });
      const budget = { ratio: 0, minPerSecond: 0.1, window: '10s' };
      const communicator = communicatorWith({ retry: { maxAttempts: 2, budget }, circuitBreaker: false });
      expect((await failure(communicator.callService('users', { path: '/' }))).code).toBe('TRANSPORT_FAILURE');
      const error = await failure(communicator.callService('users', { path: '/' }));
      expect(error).toMatchObject({ code: 'RETRY_BUDGET_EXHAUSTED', attempts: 1 });
      expect(error.cause).toBeInstanceOf(TransportError);
    });

    it('is left out where the server asks for a longer pause than the longest delay', async () => {
      await register('a');
      transport.answer(() => ({ status: 503, headers: { 'retry-after': '20' } }));
      const communicator = communicatorWith({ retry: { baseDelay: '100ms', maxDelay: '1s' } });
      expect(await communicator.callService('users', { path: '/' })).toMatchObject({ status: 503, attempts: 1 });
    });

    it('does not wait for the body that it replaces, and gives up on one that never ends', async () => {
      await register('a', 'b');
      const endless = new Readable({ read: () => undefined });
      let asked = 0;
      transport.answer((_instance, _request, signal) => {
        if (++asked > 1) return { body: { ok: true } };
        signal?.addEventListener('abort', () => endless.destroy(signal.reason as Error));
        return { status: 503, body: endless };
      });
      const communicator = communicatorWith({ attemptTimeout: '2s' });
      expect(await communicator.callServiceJson('users', { path: '/' })).toEqual({ ok: true });
      expect(endless.destroyed).toBe(false);
      await clock.advanceAsync(2_000);
      expect(endless.destroyed).toBe(true);
    });

    it('frees the connection of the response that it replaces', async () => {
      await register('a', 'b');
      const bodies: Readable[] = [];
      transport.answer(() => {
        const body = Readable.from([Buffer.from('busy')]);
        bodies.push(body);
        return { status: 503, body };
      });
      await communicatorWith({ retry: { maxAttempts: 2 } }).callService('users', { path: '/' });
      await clock.advanceAsync(0);
      expect(bodies.map((body) => body.destroyed || body.readableEnded)).toEqual([true, false]);
    });
  });

  describe('a request that cannot be written as JSON', () => {
    const circle: { self?: unknown } = {};
    circle.self = circle;

    it.each([
      ['a circle', circle],
      ['a bigint', { id: 1n }],
    ])('for %s is refused, naming the field', async (_what, json) => {
      await register('a');
      const error = await failure(communicatorWith().callService('users', { method: 'POST', path: '/', json }));
      expect(error).toMatchObject({ code: 'INVALID_REQUEST', service: 'users' });
      expect(error.message).toContain('json');
    });
  });

  describe('the circuit of an instance', () => {
    it('opens, sends its calls to the others, and lets one through after the recovery time', async () => {
      await register('a', 'b');
      failOn('a');
      const communicator = communicatorWith({ circuitBreaker: { failureThreshold: 2, recoveryTimeout: '30s' } });
      for (let call = 0; call < 10; call++) await communicator.callServiceJson('users', { path: '/' });
      expect(transport.targets.filter((id) => id === 'a')).toHaveLength(2);
      expect(communicator.circuitBreakers()).toContainEqual(
        expect.objectContaining({ instanceId: 'a', state: 'open', retryAfterMs: 30_000 }),
      );

      transport.answer(() => ({}));
      clock.advance(30_000);
      for (let call = 0; call < 4; call++) await communicator.callService('users', { path: '/' });
      expect(communicator.circuitBreakers().map(({ state }) => state)).toEqual(['closed', 'closed']);
      expect(typesOf('circuit.')).toEqual(['circuit.opened', 'circuit.half_opened', 'circuit.closed']);
    });

    it('refuses with the time left where every instance is cut off', async () => {
      await register('a');
      transport.answer(() => ({ status: 500 }));
      const communicator = communicatorWith({ circuitBreaker: { failureThreshold: 1, recoveryTimeout: '30s' } });
      await communicator.callService('users', { path: '/' });
      clock.advance(10_000);
      expect(await failure(communicator.callService('users', { path: '/' }))).toMatchObject({
        code: 'CIRCUIT_OPEN',
        retryAfterMs: 20_000,
      });
      expect(transport.sent).toHaveLength(1);
    });

    it('is closed for whoever registers anew under the id, as a process that was restarted does', async () => {
      await register('a');
      transport.answer(() => ({ status: 500 }));
      const communicator = communicatorWith({ circuitBreaker: { failureThreshold: 1, recoveryTimeout: '30s' } });
      await communicator.callService('users', { path: '/' });
      await registry.setStatus({ serviceName: 'users', instanceId: 'a' }, 'healthy');
      expect(communicator.circuitBreakers()).toMatchObject([{ state: 'open' }]);

      await register('a');
      transport.answer(() => ({}));
      expect(await communicator.callService('users', { path: '/' })).toMatchObject({ status: 200 });
      expect(typesOf('circuit.')).toEqual(['circuit.opened', 'circuit.closed']);
    });

    it('that opens at the failure itself spares the caller a wait that cannot help', async () => {
      await register('a');
      transport.answer(() => ({ status: 503 }));
      const communicator = communicatorWith({
        circuitBreaker: { failureThreshold: 1, recoveryTimeout: '60s' },
        timeout: '30s',
      });
      expect(await communicator.callService('users', { path: '/' })).toMatchObject({ status: 503, attempts: 1 });
    });

    it('is what a refusal tells of, whatever the instances are that could not take the call anyway', async () => {
      await registerOne({ instanceId: 'a', port: 8001, version: '1.0.0' });
      await registerOne({ instanceId: 'newer', port: 8002, version: '2.0.0' });
      await registerOne({ instanceId: 'idle', port: 8003, version: '1.0.0', weight: 0 });
      transport.answer(() => ({ status: 500 }));
      const communicator = communicatorWith({ circuitBreaker: { failureThreshold: 1, recoveryTimeout: '30s' } });
      const request = { path: '/', criteria: { version: '^1' } };
      await communicator.callService('users', request);
      expect(await failure(communicator.callService('users', request))).toMatchObject({
        code: 'CIRCUIT_OPEN',
        retryAfterMs: 30_000,
      });
    });

    it('keeps calls off also where the balancer does not ask', async () => {
      await register('a');
      transport.answer(() => ({ status: 500 }));
      const outcomes: Outcome[] = [];
      const loadBalancing = (): LoadBalancer => {
        let list: readonly ServiceInstance[] = [];
        return {
          update: (instances) => void (list = instances),
          pick: () => ({ kind: 'picked', instance: list[0]!, done: (outcome) => void outcomes.push(outcome) }),
        };
      };
      const communicator = communicatorWith({ loadBalancing, circuitBreaker: { failureThreshold: 1 } });
      await communicator.callService('users', { path: '/' });
      expect((await failure(communicator.callService('users', { path: '/' }))).code).toBe('CIRCUIT_OPEN');
      expect(transport.sent).toHaveLength(1);
      expect(outcomes).toMatchObject([{ kind: 'response' }, { kind: 'error', neverSent: true }]);
    });

    it('outlives changes of the service that do not concern the instance', async () => {
      await register('a', 'b');
      failOn('a');
      const communicator = communicatorWith({ circuitBreaker: { failureThreshold: 1 } });
      for (let call = 0; call < 2; call++) await communicator.callServiceJson('users', { path: '/' });
      await registerOne({ instanceId: 'c', port: 8003 });
      await registry.setStatus({ serviceName: 'users', instanceId: 'b' }, 'healthy');
      await clock.advanceAsync(0);
      expect(communicator.circuitBreakers().find(({ instanceId }) => instanceId === 'a')?.state).toBe('open');
    });
  });

  describe('time', () => {
    it('of an attempt that runs out leads to another instance', async () => {
      await register('a', 'b');
      transport.hold();
      const call = communicatorWith({ attemptTimeout: '1s' }).callService('users', { path: '/' });
      const first = await transport.nextHeld();
      await clock.advanceAsync(1_000);
      const second = await transport.nextHeld();
      expect(first.signal?.aborted).toBe(true);
      expect(second.instance.instanceId).not.toBe(first.instance.instanceId);
      second.respond();
      expect((await call).attempts).toBe(2);
    });

    it('of the whole call bounds all attempts together', async () => {
      await register('a', 'b', 'c');
      transport.hold();
      const call = failure(
        communicatorWith({ timeout: '3s', attemptTimeout: '2s' }).callService('users', { path: '/' }),
      );
      await clock.advanceAsync(3_000);
      expect(await call).toMatchObject({ code: 'DEADLINE_EXCEEDED', attempts: 2, timeoutMs: 3_000 });
      expect(transport.sent.every(({ signal }) => signal?.aborted)).toBe(true);
    });

    it('covers the body where the communicator reads it', async () => {
      await register('a');
      transport.answer((_instance, _request, signal) => {
        const body = new Readable({ read: () => undefined });
        signal?.addEventListener('abort', () => body.destroy(signal.reason as Error));
        return { body };
      });
      const call = failure(
        communicatorWith({ timeout: '1s', attemptTimeout: '1s' }).callServiceJson('users', { path: '/' }),
      );
      await clock.advanceAsync(1_000);
      expect((await call).code).toMatch(/DEADLINE_EXCEEDED|ATTEMPT_TIMEOUT/);
    });
  });

  describe("the caller's abort", () => {
    it('rejects at once with its own reason, counts for nothing, and nothing is called after it', async () => {
      await register('a', 'b');
      transport.hold();
      const communicator = communicatorWith({ circuitBreaker: { failureThreshold: 1 } });
      const controller = new AbortController();
      const call = failure(communicator.callService('users', { path: '/', signal: controller.signal }));
      await transport.nextHeld();
      const reason = new Error('changed my mind');
      controller.abort(reason);
      expect(await call).toBe(reason);
      await clock.advanceAsync(60_000);
      expect(transport.sent).toHaveLength(1);
      expect(communicator.circuitBreakers().every(({ state, failures }) => state === 'closed' && failures === 0)).toBe(
        true,
      );
    });

    it('is no failure of the instance in the eyes of the balancer, whatever the reason', async () => {
      await register('a');
      transport.hold();
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
      const communicator = communicatorWith({ loadBalancing });
      const call = failure(communicator.callService('users', { path: '/', signal: controller.signal }));
      await transport.nextHeld();
      controller.abort(new Error('changed my mind'));
      await call;
      expect(outcomes).toMatchObject([{ kind: 'error', abandoned: true }]);
    });

    it('during a backoff rejects at once', async () => {
      await register('a');
      transport.answer(() => {
        throw reset();
      });
      const controller = new AbortController();
      const call = failure(communicatorWith().callService('users', { path: '/', signal: controller.signal }));
      await clock.advanceAsync(0);
      controller.abort();
      expect((await call).name).toBe('AbortError');
      await clock.advanceAsync(60_000);
      expect(transport.sent).toHaveLength(1);
    });

    it('may end any number of calls and responses, and has one listener for them', async () => {
      await register('a');
      const sources: Readable[] = [];
      transport.answer(() => {
        const body = new Readable({ read: () => undefined });
        sources.push(body);
        return { body };
      });
      const controller = new AbortController();
      const communicator = communicatorWith();
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

    it("of a response that nobody reads is nobody's unhandled error", async () => {
      await register('a');
      const source = new Readable({ read: () => undefined });
      transport.answer(() => ({ body: source }));
      const controller = new AbortController();
      await communicatorWith().callService('users', { path: '/', signal: controller.signal });
      controller.abort();
      await new Promise((resolve) => source.once('close', resolve));
    });

    it('leaves nothing at the signal once the response was read', async () => {
      await register('a');
      const controller = new AbortController();
      const { body } = await communicatorWith().callService('users', { path: '/', signal: controller.signal });
      await body.text();
      expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    });

    it('is told apart from a failure in what is reported', async () => {
      await register('a');
      transport.hold();
      const controller = new AbortController();
      const call = failure(communicatorWith().callService('users', { path: '/', signal: controller.signal }));
      await transport.nextHeld();
      controller.abort();
      await call;
      expect(events.find(({ type }) => type === 'call.completed')?.payload).toMatchObject({
        ok: false,
        code: 'ABORTED',
      });
    });

    it('ends the stream of a response that the caller has already', async () => {
      await register('a');
      const source = new Readable({ read: () => undefined });
      transport.answer(() => ({ body: source }));
      const controller = new AbortController();
      const { body } = await communicatorWith().callService('users', { path: '/', signal: controller.signal });
      const read = failure(body.text());
      const reason = new Error('enough');
      controller.abort(reason);
      expect(await read).toBe(reason);
      expect(source.destroyed).toBe(true);
    });
  });

  describe('a limit of concurrency', () => {
    it('sends the call elsewhere, and refuses it where everyone is busy', async () => {
      await register('a', 'b');
      transport.hold();
      const communicator = communicatorWith({ concurrency: 1 });
      const calls = [
        communicator.callService('users', { path: '/1' }),
        communicator.callService('users', { path: '/2' }),
      ];
      const held = [await transport.nextHeld(), await transport.nextHeld()];
      expect(new Set(transport.targets).size).toBe(2);
      expect((await failure(communicator.callService('users', { path: '/3' }))).code).toBe('BULKHEAD_FULL');
      held.forEach((exchange) => exchange.respond());
      await Promise.all(calls);
      transport.answer(() => ({}));
      expect((await communicator.callService('users', { path: '/4' })).status).toBe(200);
    });
  });

  describe('a limit of concurrency with a balancer that keeps no count', () => {
    it('holds all the same', async () => {
      await register('a');
      transport.hold();
      const loadBalancing = (): LoadBalancer => {
        let list: readonly ServiceInstance[] = [];
        return {
          update: (instances) => void (list = instances),
          pick: ({ isAvailable = () => true } = {}) => {
            const instance = list.find(isAvailable);
            return instance
              ? { kind: 'picked', instance, done: () => undefined }
              : { kind: 'unavailable', reason: 'none_available' };
          },
        };
      };
      const communicator = communicatorWith({ loadBalancing, concurrency: 1 });
      const first = communicator.callService('users', { path: '/1' });
      const held = await transport.nextHeld();
      const second = failure(communicator.callService('users', { path: '/2' }));
      expect((await second).code).toBe('BULKHEAD_FULL');
      held.respond();
      await first;
    });
  });

  describe("a balancer of the caller's own", () => {
    it('is brought up to date when it is used, so that one which is used no more costs nothing', async () => {
      await register('a');
      const updates: string[][] = [];
      const loadBalancing = (deps: LoadBalancerDeps): LoadBalancer => {
        const balancer = createLoadBalancer('random', deps);
        return {
          update: (instances) => {
            updates.push(instances.map(({ instanceId }) => instanceId));
            balancer.update(instances);
          },
          pick: (context) => balancer.pick(context),
        };
      };
      const communicator = communicatorWith({ loadBalancing });
      for (let call = 0; call < 2; call++) await communicator.callService('users', { path: '/' });
      await registerOne({ instanceId: 'b', port: 8002 });
      await registerOne({ instanceId: 'c', port: 8003 });
      expect(updates).toEqual([['a']]);
      await communicator.callService('users', { path: '/' });
      expect(updates).toEqual([['a'], ['a', 'b', 'c']]);
    });
  });

  describe('heartbeats', () => {
    it('leave connections and balancers alone', async () => {
      await register('a', 'b');
      const communicator = communicatorWith();
      await communicator.callService('users', { path: '/' });
      await registry.heartbeat({ serviceName: 'users', instanceId: 'a' });
      await clock.advanceAsync(0);
      expect(transport.retained).toHaveLength(0);
      await registry.deregister({ serviceName: 'users', instanceId: 'a' });
      expect(transport.retained.map((list) => list.map(({ instanceId }) => instanceId))).toEqual([['b']]);
    });
  });

  describe('settings', () => {
    it('come from the tier that the service declares, under those of withOptions', async () => {
      await registerOne({ instanceId: 'a', tier: 'monitoring' });
      transport.answer(() => {
        throw reset();
      });
      const communicator = communicatorWith();
      expect((await failure(communicator.callService('users', { path: '/' }))).attempts).toBe(1);
      const call = failure(
        communicator.withOptions({ retry: { maxAttempts: 2, baseDelay: 0 } }).callService('users', { path: '/' }),
      );
      await clock.advanceAsync(0);
      expect((await call).attempts).toBe(2);
    });

    it('of a pattern can be changed value by value', () => {
      const patterns = communicatorWith({
        patterns: { web: { timeout: '7s', retry: { maxAttempts: 4 } } },
      }).getCommunicationPatterns();
      expect(patterns.web).toMatchObject({
        timeout: '7s',
        attemptTimeout: '2s',
        retry: { maxAttempts: 4, baseDelay: '50ms' },
      });
      expect(patterns.app.timeout).toBe('15s');
    });

    it('that agree share a breaker; those that differ have their own', async () => {
      await register('a');
      transport.answer(() => ({ status: 500 }));
      const communicator = communicatorWith({ circuitBreaker: { failureThreshold: 1 } });
      await communicator.callService('users', { path: '/' });
      expect(
        (await failure(communicator.withOptions({ timeout: '1s' }).callService('users', { path: '/' }))).code,
      ).toBe('CIRCUIT_OPEN');
      expect(
        (
          await communicator
            .withOptions({ circuitBreaker: { failureThreshold: 9 } })
            .callService('users', { path: '/' })
        ).status,
      ).toBe(500);
    });

    it('that are wrong are all named in one error', async () => {
      const error = await failure(
        (async () =>
          communicatorWith().withOptions({
            loadBalancing: 'fastest' as 'random',
            timeout: '1s',
            attemptTimeout: '2s',
            concurrency: 0,
            retry: { maxAttempts: Number.NaN },
            circuitBreaker: { failureThreshold: -1 },
          }))(),
      );
      expect(error.code).toBe('INVALID_CONFIGURATION');
      for (const path of [
        'loadBalancing',
        'attemptTimeout',
        'concurrency',
        'retry.maxAttempts',
        'circuitBreaker.failureThreshold',
      ]) {
        expect(error.message).toContain(path);
      }
    });
  });

  describe('parallel calls', () => {
    it('answer in the order of the calls, and one failure stops no other', async () => {
      await register('a');
      transport.answer((_, { path }) => (path === '/bad' ? { status: 404 } : { body: { path } }));
      const results = await communicatorWith().parallelServiceCalls([
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
      await register('a');
      transport.hold();
      const controller = new AbortController();
      const calls = ['/1', '/2', '/3'].map((path) => ({ serviceName: 'users', path }));
      const running = communicatorWith().parallelServiceCalls(calls, { concurrency: 2, signal: controller.signal });
      (await transport.nextHeld()).respond({ body: {} });
      await transport.nextHeld();
      await transport.nextHeld();
      controller.abort();
      expect((await running).map(({ success }) => success)).toEqual([true, false, false]);
    });

    it('end at the abort of them all also where a call has a signal of its own', async () => {
      await register('a');
      transport.hold();
      const all = new AbortController();
      const own = new AbortController();
      const running = communicatorWith().parallelServiceCalls(
        [{ serviceName: 'users', path: '/', signal: own.signal }],
        { signal: all.signal },
      );
      await transport.nextHeld();
      const reason = new Error('the user left');
      all.abort(reason);
      expect(await running).toMatchObject([{ success: false, error: reason }]);
    });

    it.each([0, 1.5, Number.NaN])('with a concurrency of %p are refused', async (concurrency) => {
      const error = await failure(communicatorWith().parallelServiceCalls([], { concurrency }));
      expect(error).toMatchObject({ code: 'INVALID_CONFIGURATION', message: expect.stringContaining('concurrency') });
    });
  });

  describe('a fallback', () => {
    beforeEach(async () => {
      await register('a');
      await registry.register(
        { serviceName: 'backup', host: '127.0.0.1', port: 9000, instanceId: 'z' },
        { heartbeat: 'manual' },
      );
    });

    it('answers when the primary fails, and gets no credentials that are not its own', async () => {
      failOn('a', refused);
      const result = await communicatorWith({ retry: false }).callServiceWithFallback({
        primaryService: 'users',
        fallbackService: 'backup',
        path: '/x',
        headers: { Authorization: 'Bearer s3cret', 'x-trace': '1' },
        fallbackRequest: { path: '/y' },
      });
      expect(result).toMatchObject({ data: { from: 'z' }, serviceName: 'backup', fallback: true });
      expect(transport.sent[1]?.request.path).toBe('/y');
      expect(transport.sent[1]?.request.headers).toMatchObject({ 'x-trace': '1' });
      expect(transport.sent[1]?.request.headers).not.toHaveProperty('authorization');
    });

    it.each(['apikey', 'X-Api-Key', 'Cookie', 'x-auth-user', 'X-Amz-Security-Token', 'x-client-secret'])(
      'is not given the header %s',
      async (name) => {
        failOn('a', refused);
        await communicatorWith({ retry: false }).callServiceWithFallback({
          primaryService: 'users',
          fallbackService: 'backup',
          path: '/',
          headers: { [name]: 's3cret', 'idempotency-key': 'k1' },
        });
        expect(transport.sent[1]?.request.headers).toEqual({ accept: 'application/json', 'idempotency-key': 'k1' });
      },
    );

    it('may have a body of its own, of another kind than that of the primary', async () => {
      failOn('a', refused);
      const { fallback } = await communicatorWith({ retry: false }).callServiceWithFallback({
        primaryService: 'users',
        fallbackService: 'backup',
        method: 'POST',
        path: '/',
        json: { name: 'Ada' },
        fallbackRequest: { body: 'Ada' },
      });
      expect(fallback).toBe(true);
      expect(transport.sent[1]?.request.body).toBe('Ada');
    });

    it('is not asked when the primary answered that there is no such thing', async () => {
      transport.answer(() => ({ status: 404 }));
      const request = { primaryService: 'users', fallbackService: 'backup', path: '/x' };
      expect(await failure(communicatorWith().callServiceWithFallback(request))).toMatchObject({ status: 404 });
      expect(transport.sent).toHaveLength(1);
    });

    it('that fails too leaves both errors', async () => {
      transport.answer(() => ({ status: 500 }));
      const request = { primaryService: 'users', fallbackService: 'backup', path: '/x' };
      const error = await failure(communicatorWith().callServiceWithFallback(request));
      expect(error).toBeInstanceOf(FallbackFailedError);
      expect(error).toMatchObject({ primaryError: { service: 'users' }, fallbackError: { service: 'backup' } });
    });
  });

  it('reports each call as it ends', async () => {
    await register('a', 'b');
    failOn('a');
    const communicator = communicatorWith();
    await communicator.callServiceJson('users', { path: '/' });
    await communicator.callServiceJson('users', { path: '/' });
    const completed = events.filter(({ type }) => type === 'call.completed').map(({ payload }) => payload);
    expect(completed).toHaveLength(2);
    expect(
      completed.every((payload) => payload.ok === true && payload.status === 200 && payload.instanceId === 'b'),
    ).toBe(true);
    expect(completed.map((payload) => payload.attempts).sort()).toEqual([1, 2]);
  });

  it('ends at its close the calls that wait for a retry, with what went wrong', async () => {
    await register('a');
    transport.answer(() => {
      throw reset();
    });
    const communicator = communicatorWith({ retry: { jitter: 'none', baseDelay: '20s' } });
    const call = failure(communicator.callService('users', { path: '/' }));
    await clock.advanceAsync(1);
    await communicator.close();
    expect(await call).toMatchObject({ code: 'ABORTED', attempts: 1, cause: { code: 'TRANSPORT_FAILURE' } });
    expect(transport.sent).toHaveLength(1);
    expect(clock.pendingTimers).toBe(1); // The store's, for the lease.
  });

  it('lists the circuits of those instances only that were called', async () => {
    await register('a', 'b', 'c');
    failOn('a');
    const communicator = communicatorWith({ retry: { maxAttempts: 2 } });
    await communicator.callServiceJson('users', { path: '/' });
    expect(communicator.circuitBreakers()).toHaveLength(new Set(transport.targets).size);
  });

  it('refuses calls once it is closed', async () => {
    await register('a');
    const communicator = communicatorWith();
    await communicator.close();
    expect((await failure(communicator.callService('users', { path: '/' }))).code).toBe('ABORTED');
    expect(transport.closed).toBe(true);
  });
});
