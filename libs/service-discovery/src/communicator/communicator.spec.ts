import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { createLoadBalancer, type LoadBalancer, type LoadBalancerDeps } from '../balancing/index.js';
import { type Clock, messageOf } from '../common/index.js';
import { balancerOf, CallFixture, failure, firstListed, firstWilling, reset } from '../testing/call-fixture.js';
import { type CommunicatorDependencies } from './call-engine.js';
import { ServiceCommunicator } from './communicator.js';
import { type ServiceCallRequest } from './request.js';

describe('ServiceCommunicator', () => {
  let stage: CallFixture;

  beforeEach(async () => {
    stage = await CallFixture.open();
  });

  afterEach(async () => {
    await stage.close();
    expect(stage.clock.pendingTimers).toBe(0);
  });

  describe('a call', () => {
    it('goes to an instance of the service and reports which one answered', async () => {
      await stage.register('a');
      const response = await stage.communicatorWith().callService('users', {
        method: 'post',
        path: '/users',
        query: { page: 2 },
        headers: { 'X-Trace': 'abc' },
        json: { name: 'Ada' },
      });
      expect(response).toMatchObject({ status: 200, attempts: 1, instance: { instanceId: 'a' } });
      expect(Object.keys(response).sort()).toEqual(['attempts', 'body', 'headers', 'instance', 'status']);
      expect(await response.body.json()).toEqual({ from: 'a' });
      expect(stage.transport.sent[0]?.request).toMatchObject({
        method: 'POST',
        path: '/users',
        query: { page: 2 },
        headers: { 'x-trace': 'abc', 'content-type': 'application/json' },
        body: '{"name":"Ada"}',
      });
    });

    it('is spread over the instances', async () => {
      await stage.register('a', 'b', 'c');
      const communicator = stage.communicatorWith();
      for (let call = 0; call < 6; call++) await communicator.callServiceJson('users', { path: '/' });
      expect([...stage.transport.targets].sort()).toEqual(['a', 'a', 'b', 'b', 'c', 'c']);
    });

    it.each<[string, unknown, string[]]>([
      ['nothing', undefined, ['ServiceCommunicator']],
      ['an empty object', {}, ['ServiceCommunicator.registry', 'ServiceCommunicator.transport']],
      [
        'what is no transport',
        { registry: { onChange: () => undefined }, transport: {} },
        ['ServiceCommunicator.transport'],
      ],
    ])('cannot be made with %s, and the error names it', (_what, deps, paths) => {
      let thrown: unknown;
      try {
        new ServiceCommunicator(deps as CommunicatorDependencies);
      } catch (error) {
        thrown = error;
      }
      expect(thrown).toMatchObject({ code: 'INVALID_CONFIGURATION', problems: paths.map((path) => ({ path })) });
    });

    it('to an unknown service is refused without a request', async () => {
      const error = await failure(
        stage.communicatorWith({ waitForFirst: false }).callService('unknown', { path: '/' }),
      );
      expect(error).toMatchObject({ code: 'SERVICE_NOT_FOUND', service: 'unknown', attempts: 0 });
      expect(stage.transport.sent).toHaveLength(0);
    });

    it('to a service without an available instance fails with the reason', async () => {
      await stage.register('a');
      await stage.registry.setStatus({ serviceName: 'users', instanceId: 'a' }, 'maintenance');
      await stage.clock.advanceAsync(0);
      const error = await failure(stage.communicatorWith().callService('users', { path: '/' }));
      expect(error.code).toBe('NO_AVAILABLE_INSTANCE');
    });

    it.each<[ServiceCallRequest, string]>([
      [{ path: 'users' }, 'path'],
      [{ path: '/a b' }, 'path'],
      [{ path: '/', method: 'FETCH' as 'GET' }, 'method'],
      [{ path: '/', json: {}, body: 'x' }, 'body'],
      [{ path: '/', body: { n: 1 } as never }, 'body'],
      [{ path: '/', body: null as never }, 'body'],
      [{ path: '/', body: [1] as never }, 'body'],
      [{ path: '/', headers: { 'x-a': 'b\r\nx-c: d' } }, 'headers.x-a'],
      [{ path: '/', timeout: 'soon' as never }, 'timeout'],
      [{ path: '/', timeout: '1s', attemptTimeout: '2s' }, 'attemptTimeout'],
      [{ path: '/', criteria: 'api' as never }, 'criteria'],
      [{ path: '/', criteria: { tags: 'api' as never } }, 'criteria.tags'],
      [{ path: '/', criteria: { tags: [1] as never } }, 'criteria.tags'],
      [{ path: '/', criteria: { version: 2 as never } }, 'criteria.version'],
      [{ path: '/', criteria: { zone: {} as never } }, 'criteria.zone'],
      [{ path: '/', criteria: { verison: '^9' } as never }, 'criteria.verison'],
      [{ path: '/', tiemout: 1 } as never, 'tiemout'],
      [{ path: '/', signal: 3 as never }, 'signal'],
      [{ path: '/', cancellation: 3 as never }, 'cancellation'],
      [{ path: '/', headers: 'x' as never }, 'headers'],
      [{ path: '/', headers: [] as never }, 'headers'],
      [{ path: '/', headers: new Headers({ 'x-a': 'b' }) as never }, 'headers'],
      [{ path: '/', query: 3 as never }, 'query'],
      [{ path: '/', query: null as never }, 'query'],
      [{ path: '/', query: new URLSearchParams('a=1') as never }, 'query'],
      [undefined as never, 'request'],
    ])('with an invalid request (%j) is refused before anything is sent, naming %s', async (request, field) => {
      await stage.register('a');
      const error = await failure(stage.communicatorWith().callService('users', request));
      expect(error.code).toBe('INVALID_REQUEST');
      expect(error.message).toContain(field);
      expect(error.message.match(/expected/g)).toHaveLength(1);
      expect(stage.transport.sent).toHaveLength(0);
    });

    it.each([
      [{ tiemout: '1s' }, 'tiemout: expected no option of this name (did you mean "timeout"?), but got "1s"'],
      [
        { header: { a: 'b' } },
        'header: expected no option of this name (did you mean "headers"?), but got {"a":"***"}',
      ],
      [
        { idempotencykey: 'k1' },
        'idempotencykey: expected no option of this name (did you mean "idempotencyKey"?), but got "***"',
      ],
      [{ retry: false }, 'retry: expected no field of this name (it is an option of withOptions), but got false'],
      [
        { criteria: { verison: '^9', zone: 3 } },
        'criteria.verison: expected no option of this name (did you mean "version"?), but got "^9"; ' +
          'criteria.zone: expected the name of a zone, but got 3',
      ],
    ])('with an unknown field (%j) gets a suggestion', async (given, message) => {
      await stage.register('a');
      const communicator = stage.communicatorWith();
      const request = { path: '/', ...given } as ServiceCallRequest;
      const error = await failure(communicator.callServiceJson('users', request));
      expect(error).toMatchObject({ code: 'INVALID_REQUEST', service: 'users' });
      expect(messageOf(error)).toBe(`The request for "users" is not valid: ${message}`);
      expect(() => communicator.explain('users', request)).toThrow(message);
    });

    it('may have undefined fields, and null for none', async () => {
      await stage.register('a');
      const request = { path: '/', tiemout: undefined, headers: null, signal: null, cancellation: null };
      expect((await stage.communicatorWith().callService('users', request as never)).status).toBe(200);
    });

    it('may be an instance of a class, with fields of its own', async () => {
      class UserRequest {
        constructor(readonly userId: number) {}
        get path(): string {
          return `/users/${this.userId}`;
        }
      }
      await stage.register('a');
      await stage.communicatorWith().callService('users', new UserRequest(7));
      expect(stage.transport.sent[0]?.request.path).toBe('/users/7');
    });

    it('is validated before the service is looked up', async () => {
      jest.spyOn(stage.registry, 'follows').mockReturnValue(false);
      const error = await failure(stage.communicatorWith().callService('users', { path: '/', signal: 3 as never }));
      expect(messageOf(error)).toBe('The request for "users" is not valid: signal: expected an AbortSignal, but got 3');
    });

    it('with an object as body gets pointed to `json`, without revealing its content', async () => {
      const body = { password: 'hunter2' } as never;
      const error = await failure(
        stage.communicatorWith().callServiceJson('users', { method: 'POST', path: '/', body }),
      );
      expect(messageOf(error)).toBe(
        'The request for "users" is not valid: body: expected a text, a Buffer or Uint8Array, a stream or another async iterable ' +
          '(an object is sent as json, in place of body), but got "[object Object]"',
      );
    });

    it('that Node refuses to send opens no circuit and is not retried', async () => {
      await stage.register('a');
      const communicator = stage.communicatorWith({ circuitBreaker: { failureThreshold: 1 } });
      stage.transport.answer(() => {
        throw Object.assign(new TypeError('The argument is none'), { code: 'ERR_INVALID_ARG_TYPE' });
      });
      for (let call = 0; call < 3; call++) await failure(communicator.callService('users', { path: '/' }));
      expect(stage.transport.sent).toHaveLength(3);
      expect(communicator.circuitBreakers()[0]?.state).toBe('closed');
    });

    it.each([['text'], [Buffer.from('x')], [new Blob(['x']).stream()]])('may have %s as body', async (body) => {
      await stage.register('a');
      const { status } = await stage
        .communicatorWith()
        .callService('users', { method: 'POST', path: '/', body: body as never });
      expect(status).toBe(200);
    });

    it('may request attempts that settings leave no time for', async () => {
      await stage.register('a');
      const communicator = stage.communicatorWith({ timeout: '1s', attemptTimeout: '500ms' });
      const { status } = await communicator.callService('users', { path: '/', attemptTimeout: '2s' });
      expect(status).toBe(200);
    });

    it.each([[{ name: 'users' }], [undefined], ['']])('to an invalid service name (%j) is refused', async (service) => {
      const communicator = stage.communicatorWith();
      for (const call of [
        communicator.callService(service as string, { path: '/' }),
        communicator.callServiceJson(service as string, { path: '/' }),
      ]) {
        const error = await failure(call);
        expect(error.code).toBe('INVALID_REQUEST');
        expect(error.message).toContain('service: expected');
      }
    });

    it('whose name is a field of the request is refused with the order of the arguments', async () => {
      const call = { serviceName: 'users', path: '/' };
      const error = await failure(stage.communicatorWith().callService(call as never, undefined as never));
      expect(error.message).toContain("and the request after it, as in ('users', { path: '/' })");
    });

    it('without a request is refused, also if JSON is expected', async () => {
      const error = await failure(stage.communicatorWith().callServiceJson('users', undefined as never));
      expect(error).toMatchObject({ code: 'INVALID_REQUEST', service: 'users' });
      expect(error.message).toContain('request: expected');
    });

    it('is limited to instances that match its criteria', async () => {
      await stage.registerOne({ instanceId: 'old', version: '1.0.0', port: 8001 });
      await stage.registerOne({ instanceId: 'new', version: '2.1.0', port: 8002 });
      const communicator = stage.communicatorWith();
      for (let call = 0; call < 3; call++)
        await communicator.callServiceJson('users', { path: '/', criteria: { version: '^2' } });
      expect(stage.transport.targets).toEqual(['new', 'new', 'new']);
      const error = await failure(communicator.callService('users', { path: '/', criteria: { version: '^3' } }));
      expect(error.code).toBe('NO_AVAILABLE_INSTANCE');
    });
  });

  describe('a status error', () => {
    it('is returned as a response by callService', async () => {
      await stage.register('a');
      stage.transport.answer(() => ({ status: 404, body: { message: 'no such user' } }));
      const response = await stage.communicatorWith().callService('users', { path: '/users/1' });
      expect(response.status).toBe(404);
    });

    it('is thrown as a typed error with the body by callServiceJson', async () => {
      await stage.register('a');
      stage.transport.answer(() => ({ status: 422, body: { message: 'bad name' } }));
      const error = await failure(stage.communicatorWith().callServiceJson('users', { path: '/users/1' }));
      expect(error).toMatchObject({
        code: 'RESPONSE_STATUS',
        status: 422,
        body: { message: 'bad name' },
        service: 'users',
        instanceId: 'a',
      });
    });

    it('caused by the caller neither opens a circuit nor is retried', async () => {
      await stage.register('a');
      stage.transport.answer(() => ({ status: 400 }));
      const communicator = stage.communicatorWith({ circuitBreaker: { failureThreshold: 1 } });
      for (let call = 0; call < 3; call++) await communicator.callService('users', { path: '/' });
      expect(stage.transport.sent).toHaveLength(3);
      expect(communicator.circuitBreakers()[0]?.state).toBe('closed');
    });
  });

  describe('a request that cannot be serialized to JSON', () => {
    const circle: { self?: unknown } = {};
    circle.self = circle;

    it.each([
      ['a circle', circle],
      ['a bigint', { id: 1n }],
    ])('for %s is refused, naming the field', async (_what, json) => {
      await stage.register('a');
      const error = await failure(stage.communicatorWith().callService('users', { method: 'POST', path: '/', json }));
      expect(error).toMatchObject({ code: 'INVALID_REQUEST', service: 'users' });
      expect(error.message).toContain('json');
    });
  });

  it('reports the whole milliseconds until a circuit of any instance lets calls through', async () => {
    await stage.register('a');
    const circuitBreaker = { failureThreshold: 1, recoveryTimeout: '1s' } as const;
    const communicator = stage.communicatorWith({ circuitBreaker, retry: false });
    stage.transport.answer(() => {
      throw reset();
    });
    await failure(communicator.callService('users', { path: '/' }));
    await stage.clock.advanceAsync(0.25);
    const refused = await failure(communicator.callService('users', { path: '/' }));
    expect(refused).toMatchObject({ code: 'CIRCUIT_OPEN', retryAfterMs: 1_000 });
  });

  describe('a limit of concurrency', () => {
    it('diverts calls, and refuses them when all instances are busy', async () => {
      await stage.register('a', 'b');
      stage.transport.hold();
      const communicator = stage.communicatorWith({ concurrency: 1 });
      const calls = [
        communicator.callService('users', { path: '/1' }),
        communicator.callService('users', { path: '/2' }),
      ];
      const held = [await stage.transport.nextHeld(), await stage.transport.nextHeld()];
      expect(new Set(stage.transport.targets).size).toBe(2);
      expect((await failure(communicator.callService('users', { path: '/3' }))).code).toBe('BULKHEAD_FULL');
      expect(stage.events.find(({ type }) => type === 'call.refused')?.payload).toMatchObject({
        stage: 'concurrency',
        code: 'BULKHEAD_FULL',
      });
      held.forEach((exchange) => exchange.respond());
      await Promise.all(calls);
      stage.transport.answer(() => ({}));
      expect((await communicator.callService('users', { path: '/4' })).status).toBe(200);
    });
  });

  describe('a limit of concurrency with a balancer that keeps no count', () => {
    it('is enforced anyway', async () => {
      await stage.register('a');
      stage.transport.hold();
      const loadBalancing = balancerOf(firstWilling);
      const communicator = stage.communicatorWith({ loadBalancing, concurrency: 1 });
      const first = communicator.callService('users', { path: '/1' });
      const held = await stage.transport.nextHeld();
      const second = failure(communicator.callService('users', { path: '/2' }));
      expect((await second).code).toBe('BULKHEAD_FULL');
      held.respond();
      await first;
    });
  });

  describe('a limit of concurrency with a balancer that does not ask', () => {
    it('is enforced anyway', async () => {
      await stage.register('a');
      stage.transport.hold();
      const loadBalancing = balancerOf(firstListed);
      const communicator = stage.communicatorWith({ loadBalancing, concurrency: 1 });
      const first = communicator.callService('users', { path: '/1' });
      const held = await stage.transport.nextHeld();
      expect((await failure(communicator.callService('users', { path: '/2' }))).code).toBe('BULKHEAD_FULL');
      held.respond();
      await first;
    });
  });

  describe('a custom balancer', () => {
    it('is updated when it is used, so that an unused one costs nothing', async () => {
      await stage.register('a');
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
      const communicator = stage.communicatorWith({ loadBalancing });
      for (let call = 0; call < 2; call++) await communicator.callService('users', { path: '/' });
      await stage.registerOne({ instanceId: 'b', port: 8002 });
      await stage.registerOne({ instanceId: 'c', port: 8003 });
      expect(updates).toEqual([['a']]);
      await communicator.callService('users', { path: '/' });
      expect(updates).toEqual([['a'], ['a', 'b', 'c']]);
    });
  });

  describe('heartbeats', () => {
    it('do not touch connections and balancers', async () => {
      await stage.register('a', 'b');
      const communicator = stage.communicatorWith();
      await communicator.callService('users', { path: '/' });
      await stage.registry.heartbeat({ serviceName: 'users', instanceId: 'a' });
      await stage.clock.advanceAsync(0);
      expect(stage.transport.retained).toHaveLength(0);
      await stage.registry.deregister({ serviceName: 'users', instanceId: 'a' });
      expect(stage.transport.retained.map((list) => list.map(({ instanceId }) => instanceId))).toEqual([['b']]);
    });
  });

  describe('a draining instance', () => {
    it('gets its connections closed, while its state and calls in flight stay', async () => {
      await stage.register('a', 'b');
      const communicator = stage.communicatorWith({ loadBalancing: 'round_robin' });
      stage.transport.hold();
      const calls = [1, 2].map(() => communicator.callService('users', { path: '/' }));
      const held = [await stage.transport.nextHeld(), await stage.transport.nextHeld()];
      const retained = (): string[][] => stage.transport.retained.map((list) => list.map((one) => one.instanceId));

      await stage.registry.setStatus({ serviceName: 'users', instanceId: 'a' }, 'draining');
      expect(retained()).toEqual([['b']]);
      for (const { respond } of held) respond();
      await Promise.all(calls);

      await stage.registry.setStatus({ serviceName: 'users', instanceId: 'a' }, 'up');
      expect(retained()).toEqual([['b'], ['a', 'b']]);
      await stage.registry.setStatus({ serviceName: 'users', instanceId: 'b' }, 'maintenance');
      expect(retained()).toHaveLength(2);
    });
  });

  describe('settings', () => {
    it("come from the service's tier, overridden by withOptions", async () => {
      await stage.registerOne({ instanceId: 'a', tier: 'monitoring' });
      stage.transport.answer(() => {
        throw reset();
      });
      const communicator = stage.communicatorWith();
      expect((await failure(communicator.callService('users', { path: '/' }))).attempts).toBe(1);
      const call = failure(
        communicator.withOptions({ retry: { maxAttempts: 2, baseDelay: 0 } }).callService('users', { path: '/' }),
      );
      await stage.clock.advanceAsync(0);
      expect((await call).attempts).toBe(2);
    });

    it('in withOptions bound those of any tier', async () => {
      await stage.registerOne({ instanceId: 'a', tier: 'web' });
      const patient = stage.communicatorWith().withOptions({ retry: { baseDelay: '2s' } });
      await expect(patient.callServiceJson('users', { path: '/' })).resolves.toEqual({ from: 'a' });
    });

    it('of a pattern can be changed value by value', () => {
      const patterns = stage
        .communicatorWith({
          patterns: { web: { timeout: '7s', retry: { maxAttempts: 4 } } },
        })
        .getCommunicationPatterns();
      expect(patterns.web).toMatchObject({
        timeout: '7s',
        attemptTimeout: '2s',
        retry: { maxAttempts: 4, baseDelay: '50ms' },
      });
      expect(patterns.app.timeout).toBe('15s');
    });

    it('of a custom pattern apply to services of that tier and to callers that select it', async () => {
      await stage.registerOne({ instanceId: 'a', tier: 'batch' });
      const communicator = stage.communicatorWith({
        retry: { maxAttempts: 1 },
        patterns: { batch: { timeout: '5m', attemptTimeout: '2m' }, eager: { retry: { maxAttempts: 4 } } },
      });
      const settings = (from: ServiceCommunicator): unknown[] =>
        from.describePipeline('users').map(({ stage, options }) => [stage, options]);
      expect(settings(communicator)).toContainEqual(['deadline', { timeoutMs: 300_000 }]);
      const eager = communicator.withOptions({ pattern: 'eager' });
      expect(settings(eager)).toContainEqual(['retry', expect.objectContaining({ maxAttempts: 4 })]);
      expect(communicator.getCommunicationPatterns().batch).toMatchObject({
        timeout: '5m',
        attemptTimeout: '2m',
        retry: { maxAttempts: 1 },
        loadBalancing: 'round_robin',
      });
      expect(() => communicator.withOptions({ pattern: 'bach' })).toThrow(
        'pattern: expected one of "web", "app", "data", "ml", "monitoring", "batch", "eager" (did you mean "batch"?), but got "bach"',
      );
    });

    it.each(['batch', 'constructor', '__proto__'])(
      'of a service whose tier %s has no pattern are the usual ones',
      async (tier) => {
        await stage.registerOne({ instanceId: 'a', tier });
        const communicator = stage.communicatorWith({ pattern: 'web' });
        await expect(communicator.callServiceJson('users', { path: '/' })).resolves.toEqual({ from: 'a' });
        expect(communicator.describePipeline('users')).toEqual(communicator.describePipeline('others'));
      },
    );

    it('share a breaker if they are equal, and have their own if not', async () => {
      await stage.register('a');
      stage.transport.answer(() => ({ status: 501 }));
      const communicator = stage.communicatorWith({ circuitBreaker: { failureThreshold: 1 } });
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
      ).toBe(501);
    });

    it('are all named in one error if wrong', async () => {
      const error = await failure(
        (async () =>
          stage.communicatorWith().withOptions({
            loadBalancing: 'fastest' as never,
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

    it.each([[null], ['1s'], [[]]])('are refused if they are not an object (%j)', async (wrong) => {
      const communicator = stage.communicatorWith();
      const makers: Record<string, () => unknown> = {
        'options: expected an object of options': () => stage.communicatorWith(wrong as never),
        'patterns: expected an object of options by tier: web,': () =>
          stage.communicatorWith({ patterns: wrong as never }),
        'patterns.web: expected an object of options': () =>
          stage.communicatorWith({ patterns: { web: wrong as never } }),
        'options: expected an object of options, but': () => communicator.withOptions(wrong as never),
      };
      for (const [message, make] of Object.entries(makers)) {
        const error = await failure((async () => make())());
        expect(error).toMatchObject({ code: 'INVALID_CONFIGURATION', message: expect.stringContaining(message) });
      }
    });
  });

  it('emits an event for each call when it ends', async () => {
    await stage.register('a', 'b');
    stage.failOn('a');
    const communicator = stage.communicatorWith();
    await communicator.callServiceJson('users', { path: '/' });
    await communicator.callServiceJson('users', { path: '/' });
    const completed = stage.events.filter(({ type }) => type === 'call.completed').map(({ payload }) => payload);
    expect(completed).toHaveLength(2);
    expect(
      completed.every((payload) => payload.ok === true && payload.status === 200 && payload.instanceId === 'b'),
    ).toBe(true);
    const attempts = completed.map((payload) => Number(payload.attempts));
    expect(attempts.reduce((sum, each) => sum + each, 0)).toBe(stage.transport.sent.length);
  });

  it('fails calls that wait for a retry on close, with the cause', async () => {
    await stage.register('a');
    stage.transport.answer(() => {
      throw reset();
    });
    const communicator = stage.communicatorWith({ retry: { jitter: 'none', baseDelay: '20s' } });
    const call = failure(communicator.callService('users', { path: '/' }));
    await stage.clock.advanceAsync(1);
    await communicator.close();
    expect(await call).toMatchObject({ code: 'ABORTED', attempts: 1, cause: { code: 'TRANSPORT_FAILURE' } });
    expect(stage.transport.sent).toHaveLength(1);
    expect(stage.clock.pendingTimers).toBe(1); // The store's, for the lease.
  });

  it('fails queued calls and calls in flight on close with an error that says so', async () => {
    await stage.register('a', 'b');
    stage.transport.hold();
    const communicator = stage.communicatorWith({ rateLimit: { rate: 1, maxWait: '5s' } });
    const calls = [1, 2].map(() => failure(communicator.callService('users', { path: '/' })));
    const held = await stage.transport.nextHeld();
    const closed = communicator.close();
    held.fail(reset());
    await closed;
    await stage.clock.advanceAsync(1_000);
    expect(await Promise.all(calls)).toMatchObject([
      { code: 'ABORTED', attempts: 1, cause: { code: 'TRANSPORT_FAILURE' } },
      { code: 'ABORTED', attempts: 0 },
    ]);
  });

  it('lists the circuits only of instances that were called', async () => {
    await stage.register('a', 'b', 'c');
    stage.failOn('a');
    const communicator = stage.communicatorWith({ retry: { maxAttempts: 2 } });
    await communicator.callServiceJson('users', { path: '/' });
    expect(communicator.circuitBreakers()).toHaveLength(new Set(stage.transport.targets).size);
  });

  it('leaves no timer behind once closed, even if its clock keeps one for the next call', async () => {
    await stage.register('a');
    const { registry, transport, clock } = stage;
    const holdable: Clock = {
      now: () => clock.now(),
      epoch: () => clock.epoch(),
      setTimer: (fn, ms) => ({ ...clock.setTimer(fn, ms), setKeepAlive: () => undefined }),
    };
    const communicator = new ServiceCommunicator({ registry, transport, clock: holdable });
    const before = clock.pendingTimers;
    await communicator.callServiceJson('users', { path: '/' });
    expect(clock.pendingTimers).toBe(before + 1);
    await communicator.close();
    expect(clock.pendingTimers).toBe(before);
  });

  it('refuses calls once closed', async () => {
    await stage.register('a');
    const communicator = stage.communicatorWith();
    await communicator.close();
    expect((await failure(communicator.callService('users', { path: '/' }))).code).toBe('ABORTED');
    expect(stage.transport.closed).toBe(true);
  });
});
