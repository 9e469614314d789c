import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type LoadBalancer } from '../balancing/index.js';
import { balancerOf, CallFixture, failure, firstListed, reset } from '../testing/call-fixture.js';
import { type ServiceCommunicator } from './communicator.js';

describe('operating a communicator', () => {
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

  const call = (communicator: ServiceCommunicator): Promise<unknown> =>
    communicator.callServiceJson('users', { path: '/' });
  const targetsOf = async (communicator: ServiceCommunicator, calls: number): Promise<string[]> => {
    stage.transport.sent.length = 0;
    for (let n = 0; n < calls; n++) await call(communicator);
    return [...new Set(stage.transport.targets)].sort();
  };

  describe('forceCircuit', () => {
    it('excludes an isolated instance for all communicators until the command is automatic again', async () => {
      const communicator = stage.communicatorWith();
      communicator.forceCircuit('users', 'a', 'isolated');
      expect(await targetsOf(communicator, 4)).toEqual(['b']);
      const derived = communicator.withOptions({ circuitBreaker: { failureThreshold: 9 } });
      expect(await targetsOf(derived, 4)).toEqual(['b']);
      expect(await targetsOf(communicator.withOptions({ circuitBreaker: false }), 4)).toEqual(['b']);
      expect(communicator.circuitBreakers()).toContainEqual(
        expect.objectContaining({ instanceId: 'a', state: 'isolated', forced: 'isolated' }),
      );
      expect(stage.events.find(({ type }) => type === 'circuit.opened')?.payload).toMatchObject({ instanceId: 'a' });

      communicator.forceCircuit('users', 'a', 'automatic');
      expect(await targetsOf(communicator, 4)).toEqual(['a', 'b']);
      expect(await targetsOf(derived, 4)).toEqual(['a', 'b']);
      expect(await targetsOf(communicator.withOptions({ circuitBreaker: false }), 4)).toEqual(['a', 'b']);
    });

    it('refuses calls without a retry time, also with settings that have no breaker', async () => {
      const communicator = stage.communicatorWith({ retry: { maxAttempts: 2 } });
      for (const id of ['a', 'b']) communicator.forceCircuit('users', id, 'isolated');
      const without = communicator.withOptions({ circuitBreaker: false });
      for (const each of [communicator, without]) {
        const error = await failure(call(each));
        expect([error.code, error.retryAfterMs]).toEqual(['CIRCUIT_OPEN', undefined]);
      }
    });

    it('persists across a new registration under the id, and changes of other instances', async () => {
      const communicator = stage.communicatorWith();
      communicator.forceCircuit('users', 'a', 'isolated');
      await stage.register('a', 'b', 'c');
      expect(await targetsOf(communicator, 6)).toEqual(['b', 'c']);
    });

    it('excludes an isolated instance even with a balancer that does not ask', async () => {
      const loadBalancing = balancerOf(firstListed);
      const communicator = stage.communicatorWith({ loadBalancing, circuitBreaker: false });
      communicator.forceCircuit('users', 'a', 'isolated');
      expect((await failure(call(communicator))).code).toBe('CIRCUIT_OPEN');
    });

    it('keeps a closed instance in use however calls end', async () => {
      const communicator = stage.communicatorWith({ circuitBreaker: { failureThreshold: 1 }, retry: false });
      communicator.forceCircuit('users', 'a', 'closed');
      stage.transport.answer(() => ({ status: 500 }));
      for (let n = 0; n < 6; n++) await failure(call(communicator));
      expect(communicator.circuitBreakers().map(({ instanceId, state }) => [instanceId, state])).toEqual([
        ['a', 'closed'],
        ['b', 'open'],
      ]);
    });

    it('keeps it in use after it registers again', async () => {
      const communicator = stage.communicatorWith({ circuitBreaker: { failureThreshold: 1 }, retry: false });
      communicator.forceCircuit('users', 'a', 'closed');
      await stage.register('a');
      stage.transport.answer(() => ({ status: 500 }));
      for (let n = 0; n < 6; n++) await failure(call(communicator));
      expect(communicator.circuitBreakers()[0]).toMatchObject({ instanceId: 'a', state: 'closed', forced: 'closed' });
    });

    it('isolates a whole service, also for calls without a service breaker', async () => {
      const communicator = stage.communicatorWith();
      await call(communicator);
      communicator.forceCircuit('users', undefined, 'isolated');
      const error = await failure(call(communicator));
      expect(error).toMatchObject({ code: 'CIRCUIT_OPEN', attempts: 0, service: 'users' });
      expect(error.message).toContain('by hand');
      expect((await failure(call(communicator.withOptions({ serviceCircuitBreaker: {} })))).code).toBe('CIRCUIT_OPEN');
      expect(communicator.describePipeline('users')).toContainEqual(
        expect.objectContaining({ stage: 'service_circuit_breaker' }),
      );
      communicator.forceCircuit('users', undefined, 'automatic');
      await call(communicator);
      expect(communicator.describePipeline('users')).not.toContainEqual(
        expect.objectContaining({ stage: 'service_circuit_breaker' }),
      );
    });

    it('rejects names that are not registered', async () => {
      const communicator = stage.communicatorWith();
      expect(await failure((async () => communicator.forceCircuit('unknown', undefined, 'isolated'))())).toMatchObject({
        code: 'SERVICE_NOT_FOUND',
        service: 'unknown',
      });
      expect(await failure((async () => communicator.forceCircuit('users', 'x', 'isolated'))())).toMatchObject({
        code: 'INSTANCE_NOT_FOUND',
        instanceId: 'x',
      });
    });
  });

  describe('explain', () => {
    it('reports for each instance whether it would be used, and why not', async () => {
      await stage.registerOne({ instanceId: 'open', port: 8003 });
      await stage.registerOne({ instanceId: 'busy', port: 8004 });
      await stage.registerOne({ instanceId: 'idle', port: 8005, weight: 0 });
      stage.failOn('open');
      const communicator = stage.communicatorWith({
        circuitBreaker: { failureThreshold: 1, recoveryTimeout: '30s' },
        concurrency: 1,
      });
      for (let n = 0; n < 6; n++) await call(communicator);
      stage.transport.hold();
      const busy = [1, 2, 3].map(() => call(communicator));
      const held = await Promise.all(busy.map(() => stage.transport.nextHeld()));
      held
        .filter(({ instance }) => instance.instanceId !== 'busy')
        .forEach((exchange) => exchange.respond({ body: 1 }));
      await stage.clock.advanceAsync(0);

      const { instances, ...explained } = communicator.explain('users');
      expect(explained).toMatchObject({ service: 'users', strategy: 'round_robin', panic: false, limits: {} });
      expect(instances.map(({ instanceId, taken, stage: by, reason }) => [instanceId, taken, by, reason])).toEqual([
        ['a', true, undefined, undefined],
        ['b', true, undefined, undefined],
        ['open', false, 'refusal', 'circuit_open'],
        ['busy', false, 'refusal', 'at_capacity'],
        ['idle', false, 'status', 'weight 0'],
      ]);
      expect(instances[2]?.circuit).toMatchObject({ state: 'open', failures: 1, retryAfterMs: 30_000 });
      expect(instances[3]).toMatchObject({ active: 1, concurrency: 1 });
      held.find(({ instance }) => instance.instanceId === 'busy')?.respond({ body: 1 });
      await Promise.all(busy);
    });

    it('considers the request', async () => {
      await stage.registerOne({ instanceId: 'new', port: 8003, version: '2.0.0' });
      const communicator = stage.communicatorWith({
        loadBalancing: { strategy: 'maglev', hash: { on: [{ header: 'x-user' }] } },
      });
      const explained = communicator.explain('users', {
        path: '/',
        headers: { 'X-User': 'ada' },
        criteria: { version: '^2' },
      });
      expect(explained).toMatchObject({ strategy: 'maglev', key: 'ada' });
      expect(explained.instances.map(({ taken }) => taken)).toEqual([false, false, true]);
    });

    it('reports why no instance can be picked', () => {
      const communicator = stage.communicatorWith();
      expect(communicator.explain('unknown')).toMatchObject({ unavailable: 'no_instances', instances: [] });
      const request = { path: '/', criteria: { tags: ['x'] } };
      expect(communicator.explain('users', request).unavailable).toBe('no_match');
    });

    it('shows the limits of the service', () => {
      const communicator = stage.communicatorWith({
        rateLimit: { rate: 5 },
        bulkhead: { maxConcurrent: 7 },
        throttling: {},
        serviceCircuitBreaker: {},
      });
      expect(communicator.explain('users')).toMatchObject({
        retriesLeft: 100,
        limits: {
          rateLimit: { rate: 5, available: 5 },
          bulkhead: { limit: 7, active: 0 },
          throttling: { rejection: 0 },
          circuit: { state: 'closed' },
        },
      });
    });

    it('describes a balancer without `explain` by the usual filters', async () => {
      await stage.registry.setStatus({ serviceName: 'users', instanceId: 'a' }, 'maintenance');
      const loadBalancing = (): LoadBalancer => ({
        update: () => undefined,
        pick: () => ({ kind: 'unavailable', reason: 'none_available' }),
      });
      const { strategy, instances } = stage.communicatorWith({ loadBalancing }).explain('users');
      expect(strategy).toBe('loadBalancing');
      expect(instances.map(({ taken }) => taken)).toEqual([false, true]);
    });

    it('changes nothing', async () => {
      const run = async (explains: boolean): Promise<unknown> => {
        const own = await CallFixture.open();
        await own.register('a', 'b', 'c');
        own.failOn('c');
        const communicator = own.communicatorWith({
          loadBalancing: 'p2c_ewma',
          circuitBreaker: { failureThreshold: 2, recoveryTimeout: '1s' },
          outlierDetection: {},
          rateLimit: { rate: 1_000 },
          hedging: { delay: '1s' },
        });
        for (let n = 0; n < 30; n++) {
          if (explains) communicator.explain('users', { path: '/', key: String(n) });
          await communicator.callServiceJson('users', { path: '/' });
          own.clock.advance(100);
        }
        const { targets } = own.transport;
        const events = own.events.map(({ type, payload }) => [type, { ...payload, durationMs: 0 }]);
        await own.close();
        return { targets, events };
      };
      expect(await run(true)).toEqual(await run(false));
    });

    it('rejects an invalid request', async () => {
      const communicator = stage.communicatorWith();
      expect((await failure((async () => communicator.explain('users', { path: 'x' }))())).code).toBe(
        'INVALID_REQUEST',
      );
    });
  });

  describe('outlier detection', () => {
    const options = {
      outlierDetection: { consecutiveFailures: 3, ejectionTime: '30s', ejectionJitter: 0 },
      circuitBreaker: false,
    } as const;

    it('only reports in a dry run', async () => {
      stage.failOn('a');
      const outlierDetection = { ...options.outlierDetection, enforcing: false };
      const communicator = stage.communicatorWith({ ...options, outlierDetection, retry: { maxAttempts: 2 } });
      for (let n = 0; n < 8; n++) await call(communicator);
      expect(await targetsOf(communicator, 4)).toEqual(['a', 'b']);
      expect(communicator.ejections()).toEqual([]);
      expect(communicator.explain('users').instances[0]).toMatchObject({
        taken: true,
        outlier: { ejected: false, enforced: false, reason: 'consecutive_failures' },
      });
      expect(stage.events.find(({ type }) => type === 'instance.ejected')?.payload).toMatchObject({ enforced: false });
    });

    it('makes picks avoid an instance that performs worse, until its ejection ends', async () => {
      stage.failOn('a');
      const communicator = stage.communicatorWith({ ...options, retry: { maxAttempts: 2, baseDelay: 0 } });
      for (let n = 0; n < 8; n++) await call(communicator);
      expect(communicator.ejections()).toMatchObject([
        { service: 'users', instanceId: 'a', reason: 'consecutive_failures', ejectedForMs: 30_000 },
      ]);
      expect(await targetsOf(communicator, 4)).toEqual(['b']);
      expect(communicator.explain('users').instances[0]).toMatchObject({
        taken: false,
        stage: 'avoid',
        outlier: { ejected: true, reason: 'consecutive_failures' },
      });
      expect(stage.typesOf('instance.ejected')).toHaveLength(1);
      stage.transport.answer(() => ({ body: 1 }));
      stage.clock.advance(60_000);
      expect(await targetsOf(communicator, 4)).toEqual(['a', 'b']);
      expect(communicator.ejections()).toEqual([]);
    });

    it('prefers an ejected instance to none, but backs off first', async () => {
      await stage.registry.deregister({ serviceName: 'users', instanceId: 'b' });
      await stage.register('a', 'b');
      const communicator = stage.communicatorWith({
        ...options,
        retry: { maxAttempts: 2, baseDelay: '1s', jitter: 'none' },
      });
      stage.transport.answer(() => {
        throw reset();
      });
      for (let n = 0; n < 4; n++) {
        const failing = failure(call(communicator));
        await stage.clock.advanceAsync(1_000);
        await failing;
      }
      const [ejected] = communicator.ejections();
      stage.transport.sent.length = 0;
      stage.events.length = 0;
      const failing = failure(call(communicator));
      await stage.clock.advanceAsync(1_000);
      await failing;
      expect(stage.transport.targets).not.toContain(ejected?.instanceId);
      expect(stage.events.find(({ type }) => type === 'call.retried')?.payload).toMatchObject({ delayMs: 1_000 });
    });

    it('forgets instances that are gone', async () => {
      stage.failOn('a');
      const communicator = stage.communicatorWith({ ...options, retry: { maxAttempts: 2, baseDelay: 0 } });
      for (let n = 0; n < 8; n++) await call(communicator);
      await stage.registry.deregister({ serviceName: 'users', instanceId: 'a' });
      expect(communicator.ejections()).toEqual([]);
    });

    it('resets its record of an instance that registers again', async () => {
      stage.failOn('a');
      const communicator = stage.communicatorWith({ ...options, retry: { maxAttempts: 2, baseDelay: 0 } });
      for (let n = 0; n < 8; n++) await call(communicator);
      expect(communicator.ejections()).toHaveLength(1);
      await stage.register('a');
      expect(communicator.ejections()).toEqual([]);
    });
  });

  it('describes the stages of a call with their settings and their purpose', async () => {
    await stage.registerOne({ serviceName: 'pages', instanceId: 'w', tier: 'web' });
    const stages = stage.communicatorWith().describePipeline('pages');
    expect(stages.every(({ purpose }) => purpose.length > 20)).toBe(true);
    expect(Object.fromEntries(stages.map(({ stage: name, options }) => [name, options]))).toMatchObject({
      deadline: { timeoutMs: 5_000 },
      retry: { maxAttempts: 2, baseDelay: 50 },
      load_balancing: { strategy: 'p2c_ewma' },
      circuit_breaker: { failureThreshold: 5, recoveryTimeout: 10_000 },
      concurrency: { concurrency: 256 },
      attempt_timeout: { attemptTimeoutMs: 2_000 },
    });
  });

  it("frees the slots of calls even if an app's strategy throws at their end", async () => {
    const loadBalancing = balancerOf(firstListed, () => {
      throw new Error('wrong in the strategy');
    });
    const communicator = stage.communicatorWith({ loadBalancing });
    await expect(call(communicator)).rejects.toThrow('wrong in the strategy');
    stage.failOn('a');
    await expect(call(communicator)).rejects.toThrow('wrong in the strategy');
    expect(communicator.explain('users').instances.map(({ active }) => active)).toEqual([0, 0]);
  });

  it('emits an event for each instance that could not take a call', async () => {
    stage.failOn('a');
    const communicator = stage.communicatorWith({ circuitBreaker: { failureThreshold: 1 } });
    for (let n = 0; n < 6; n++) await call(communicator);
    const passedOver = stage.events.filter(({ type }) => type === 'call.passed_over').map(({ payload }) => payload);
    expect(passedOver.length).toBeGreaterThan(0);
    for (const payload of passedOver) {
      expect(payload).toEqual({ service: 'users', instanceId: 'a', reason: 'circuit_open' });
    }
  });

  it('emits one event per call for an instance that could not take it, even if none can', async () => {
    const communicator = stage.communicatorWith();
    for (const id of ['a', 'b']) communicator.forceCircuit('users', id, 'isolated');
    await failure(call(communicator));
    const passedOver = stage.events.filter(({ type }) => type === 'call.passed_over').map(({ payload }) => payload);
    expect(passedOver).toHaveLength(2);
  });
});
