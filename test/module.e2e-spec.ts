import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Controller, type DynamicModule, Get, Inject, Injectable, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import {
  type AsyncFactoryOptions,
  DiscoverableService,
  DiscoveryMetrics,
  EventBus,
  InvalidConfigurationError,
  type LoadBalancing,
  MemoryRegistryStore,
  SERVICE_DISCOVERY_OPTIONS,
  ServiceCall,
  ServiceClient,
  ServiceCommunicator,
  ServiceDiscovery,
  type ServiceDiscoveryAsyncOptions,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptionsFactory,
  type ServiceInstance,
  type ServiceMethod,
  ServiceRegistry,
} from 'nest-service-discovery';
import { createLoadBalancer, type Outcome } from 'nest-service-discovery/core';
import { FakeTransport } from 'nest-service-discovery/testing';
import { EventReader } from './support/event-reader.js';
import { Apps, PLATFORMS, registered, startError, urlOf } from './support/nest-app.js';
import { type Answer, send } from './support/rest-app.js';

@Injectable()
class Catalog {
  constructor(@Inject(ServiceRegistry) readonly registry: ServiceRegistry) {}
}

@Injectable()
class Billing {
  constructor(@Inject(ServiceRegistry) readonly registry: ServiceRegistry) {}
}

const apps = new Apps();
afterEach(() => apps.close());

/** An app of two modules that each import the library in their own way. */
function appOf(first: DynamicModule, second: DynamicModule): Type {
  @Module({ imports: [first], providers: [Catalog] })
  class CatalogModule {}
  @Module({ imports: [second], providers: [Billing] })
  class BillingModule {}
  @Module({ imports: [CatalogModule, BillingModule] })
  class AppModule {}
  return AppModule;
}

async function registriesOf(module: Type): Promise<[ServiceRegistry, ServiceRegistry]> {
  const app = await apps.create(module);
  return [app.get(Catalog).registry, app.get(Billing).registry];
}

describe('two modules of an app that import the library', () => {
  it('share one registry without options', async () => {
    const [first, second] = await registriesOf(
      appOf(ServiceDiscoveryModule.forRoot(), ServiceDiscoveryModule.forRoot()),
    );
    expect(first).toBe(second);
  });

  it('share one registry with equal options', async () => {
    const options = () => ServiceDiscoveryModule.forRoot({ serviceTtl: '30s', retry: { maxAttempts: 2 } });
    const [first, second] = await registriesOf(appOf(options(), options()));
    expect(first).toBe(second);
  });

  it('share one registry if they import the same result of forRootAsync', async () => {
    const root = ServiceDiscoveryModule.forRootAsync({ useFactory: () => ({ serviceTtl: '30s' }) });
    const [first, second] = await registriesOf(appOf(root, root));
    expect(first).toBe(second);
  });

  it('stop the start with one error that names each option in which they differ', async () => {
    const error = await startError(
      appOf(
        ServiceDiscoveryModule.forRoot({ serviceTtl: '30s', namespace: 'shop' }),
        ServiceDiscoveryModule.forRoot({ serviceTtl: '60s', namespace: 'shop', timeout: '1s' }),
      ),
    );
    expect(error).toBeInstanceOf(InvalidConfigurationError);
    expect((error as InvalidConfigurationError).problems).toEqual([
      {
        path: 'ServiceDiscoveryModule.forRoot serviceTtl',
        value: ['30s', '60s'],
        expected: expect.stringContaining('the same value wherever the app imports the module') as unknown as string,
      },
      {
        path: 'ServiceDiscoveryModule.forRoot timeout',
        value: [null, '1s'],
        expected: expect.any(String) as unknown as string,
      },
    ]);
  });

  it('reveal no secrets among the options in which they differ', async () => {
    const rootWith = (secret: string) =>
      ServiceDiscoveryModule.forRoot({
        api: { token: secret },
        redis: { url: `redis://me:${secret}@redis` },
      });
    const error = await startError(appOf(rootWith('hush1'), rootWith('hush2')));
    expect((error as InvalidConfigurationError).problems.map(({ value }) => value)).toEqual([
      ['***', '***'],
      ['***', '***'],
    ]);
    expect(String(error)).not.toContain('hush');
  });

  it('stop the start if one of them uses a factory', async () => {
    const error = await startError(
      appOf(ServiceDiscoveryModule.forRoot(), ServiceDiscoveryModule.forRootAsync({ useFactory: () => ({}) })),
    );
    expect(error).toMatchObject({ code: 'INVALID_CONFIGURATION' });
    expect((error as Error).message).toContain('one forRootAsync, imported by one module of the app');
  });

  it('share one registry if one of them imports the bare class', async () => {
    @Module({ imports: [ServiceDiscoveryModule], providers: [Catalog] })
    class CatalogModule {}
    @Module({ imports: [ServiceDiscoveryModule.forRoot(), CatalogModule] })
    class AppModule {}
    const app = await apps.create(AppModule);
    expect(app.get(Catalog).registry).toBe(app.get(ServiceRegistry));
  });

  it('stop the start if all of them import the bare class', async () => {
    @Module({ imports: [ServiceDiscoveryModule] })
    class AppModule {}
    await expect(startError(AppModule)).resolves.toMatchObject({
      code: 'INVALID_CONFIGURATION',
      message: expect.stringContaining('expected ServiceDiscoveryModule.forRoot() or forRootAsync()'),
    });
  });

  it('do not share a registry if only contents are equal: each transport object is distinct', () => {
    const root = (transport: FakeTransport) => ServiceDiscoveryModule.forRoot({ transport });
    const transport = new FakeTransport();
    expect(root(transport)).toBe(root(transport));
    expect(root(transport)).not.toBe(root(new FakeTransport()));
  });
});

describe('the module', () => {
  it('is global: a module that does not import it can inject everything', async () => {
    @Module({ providers: [Catalog] })
    class Feature {}
    @Module({ imports: [ServiceDiscoveryModule.forRoot(), Feature] })
    class AppModule {}
    const app = await apps.create(AppModule);
    expect(app.get(Catalog).registry).toBe(app.get(ServiceRegistry));
  });

  it('gives each app in a process its own registry, even with equal options', async () => {
    const module = (): DynamicModule => ServiceDiscoveryModule.forRoot({ serviceTtl: '31s' });
    const [one, other] = [await apps.create(module()), await apps.create(module())];
    expect(one.get(ServiceRegistry)).not.toBe(other.get(ServiceRegistry));
  });

  it('works next to null-prototype values as providers', async () => {
    @Module({
      imports: [ServiceDiscoveryModule.forRoot()],
      providers: [
        { provide: 'NAMESPACE', useValue: Object.create(null) as object },
        { provide: 'PLANS', useValue: { constructor: 'of bridges' } },
      ],
    })
    class AppModule {}
    const app = await apps.create(AppModule);
    await app.init();
    expect(app.get('PLANS')).toEqual({ constructor: 'of bridges' });
  });

  it('works in a testing module without a server', async () => {
    const module = await Test.createTestingModule({ imports: [ServiceDiscoveryModule.forRoot()] }).compile();
    await module.init();
    const discovery = module.get(ServiceDiscovery);
    await discovery.registerService({ serviceName: 'user-service', host: 'localhost', port: 8080 });
    await expect(discovery.discoverService('user-service')).resolves.toMatchObject({
      baseUrl: 'http://localhost:8080',
    });
    await module.close();
  });
});

it('two apps share a custom store, where its owner finds their registrations', async () => {
  const store = new MemoryRegistryStore();
  const close = jest.spyOn(store, 'close');
  const [one, two] = await Promise.all([1, 2].map(() => apps.listen(ServiceDiscoveryModule.forRoot({ store }))));
  const instance = await one!
    .get(ServiceDiscovery)
    .registerService({ serviceName: 'users', host: '127.0.0.1', port: 1, healthCheckPath: null });
  await registered(two!, 'users');
  const { registry } = two!.get(ServiceDiscovery);
  expect(registry.listServices()).toMatchObject([
    { serviceName: 'users', instances: [{ instanceId: instance.instanceId, generation: instance.generation }] },
  ]);
  await one!.close();
  expect(close).not.toHaveBeenCalled();
  await expect(two!.get(ServiceDiscovery).discoverService('users')).resolves.toBeNull();
  await apps.close();
  await store.close();
});

describe.each(PLATFORMS)('an app with the module on %s', (_name, adapter) => {
  const USER = { service_name: 'user-service', host: '127.0.0.1', port: 8080, version: '1.2.3', tags: ['api'] };
  const KEY = { service_name: 'user-service', instance_id: '127.0.0.1:8080' };
  const INSTANCE = '/service-discovery/services/user-service/instances/127.0.0.1:8080';

  async function start(): Promise<{ url: string; ask: (call: string, json?: object) => Promise<Answer> }> {
    const app = await apps.listen(ServiceDiscoveryModule.forRoot({ logging: false, healthCheck: false }), adapter);
    const url = urlOf(app);
    const ask = (call: string, json?: object): Promise<Answer> => {
      const [method = '', path = ''] = call.split(' ');
      return send(url + path, method, { json });
    };
    return { url, ask };
  }

  it('serves every call of the REST API', async () => {
    const { url, ask } = await start();
    const events = await EventReader.open(`${url}/service-discovery/events`);

    const first = await ask('POST /service-discovery/register', USER);
    const { generation } = first.body;
    const answered = { ...KEY, status: 'unknown', ttl: 300, lease: 'heartbeat' };
    expect([first.status, first.body]).toEqual([
      201,
      { ...answered, generation: expect.any(Number), base_url: 'http://127.0.0.1:8080' },
    ]);
    const again = await ask('POST /service-discovery/register', USER);
    expect([again.status, again.body.generation > generation]).toEqual([200, true]);
    const watch = await EventReader.open(`${url}/service-discovery/watch`);

    const list = { services: [{ service_name: 'user-service', total_instances: 1 }], total: 1 };
    const endpoint = { ...KEY, base_url: 'http://127.0.0.1:8080', status: 'unknown' };
    const calls: readonly (readonly [call: string, json: object | undefined, status: number, body: object])[] = [
      [`PUT ${INSTANCE}/heartbeat`, undefined, 200, { ...answered, generation: again.body.generation }],
      [`PUT ${INSTANCE}/heartbeat`, { generation }, 404, { error: { code: 'LEASE_LOST' } }],
      ['POST /service-discovery/heartbeats', { leases: [{ ...KEY, generation }] }, 200, { renewed: [false] }],
      [`GET /service-discovery/discover/user-service?version=^1.2&tag=api&strategy=random`, undefined, 200, endpoint],
      [
        'GET /service-discovery/discover/user-service?version=^2',
        undefined,
        503,
        { error: { code: 'NO_AVAILABLE_INSTANCE' } },
      ],
      ['GET /service-discovery/discover/no-such-service', undefined, 404, { error: { code: 'SERVICE_NOT_FOUND' } }],
      ['GET /service-discovery/services', undefined, 200, list],
      ['GET /service-discovery/services/by-tag/api', undefined, 200, list],
      ['GET /service-discovery/services/healthy', undefined, 200, { services: [], total: 0 }],
      [`PUT ${INSTANCE}/health`, { status: 'healthy' }, 200, { ...KEY, status: 'healthy', health_status: 'healthy' }],
      ['GET /service-discovery/services/healthy', undefined, 200, list],
      ['GET /service-discovery/services/user-service', undefined, 200, list.services[0]!],
      [
        'GET /service-discovery/health/aggregated',
        undefined,
        200,
        { overall_status: 'healthy', services: { 'user-service': { status: 'healthy' } }, total_services: 1 },
      ],
      [
        'GET /health',
        undefined,
        200,
        { status: 'healthy', service_discovery: { overall_status: 'healthy', total_services: 1 } },
      ],
      [
        'GET /service-discovery/patterns',
        undefined,
        200,
        { patterns: { web: {}, app: {}, data: {}, ml: {}, monitoring: {} } },
      ],
      ['GET /service-discovery/circuit-breakers', undefined, 200, { circuit_breakers: [], total: 0 }],
      [`PUT ${INSTANCE}/status`, { status: 'maintenance' }, 200, { ...KEY, status: 'maintenance' }],
      ['GET /service-discovery/discover/user-service', undefined, 503, { error: { code: 'NO_AVAILABLE_INSTANCE' } }],
      ['POST /service-discovery/register', { port: '80a' }, 400, { error: { code: 'INVALID_INSTANCE' } }],
    ];
    for (const [call, json, status, body] of calls) {
      const answer = await ask(call, json);
      expect([call, answer.status, answer.body]).toMatchObject([call, status, body]);
    }
    for (const _time of ['first', 'second']) expect((await ask(`DELETE ${INSTANCE}`)).status).toBe(204);
    expect((await ask('GET /service-discovery/metrics')).text).toMatch(/^service_discovery_registrations_total 2$/m);

    expect((await watch.next())?.data).toMatchObject({ type: 'reset', instances: [KEY] });
    const types: unknown[] = [];
    while (types.at(-1) !== 'instance.deregistered') types.push((await events.next())?.type);
    expect(types).toEqual([
      'instance.registered',
      'instance.registered',
      'instance.status_changed',
      'instance.status_changed',
      'operator.acted',
      'instance.deregistered',
    ]);
    await Promise.all([watch.close(), events.close()]);
  });

  it('denies writes under other spellings of path or method', async () => {
    const { url, ask } = await start();
    for (const path of [
      '/service-discovery/register',
      '/service-discovery/register/',
      '/Service-Discovery/REGISTER',
      '//service-discovery/register',
      '/service-discovery//register',
      '/service-discovery/%72egister',
      '/service-discovery/./register',
      '/service-discovery/register?x=1',
      '/service-discovery/register%2f',
    ]) {
      const headers = { 'x-forwarded-for': '127.0.0.1', 'x-http-method-override': 'GET' };
      const { status } = await send(url + path, 'POST', { json: USER, headers });
      expect([path, [403, 404].includes(status)]).toEqual([path, true]);
    }
    expect((await ask('GET /service-discovery/services')).body.total).toBe(0);
  });
});

describe('forRootAsync', () => {
  @Injectable()
  class Config {
    readonly ttl = '42s';
  }
  @Module({ providers: [Config], exports: [Config] })
  class ConfigModule {}

  it('builds options from injected providers', async () => {
    const app = await apps.create(
      ServiceDiscoveryModule.forRootAsync({
        imports: [ConfigModule],
        inject: [Config],
        useFactory: async (config: Config) => ({ serviceTtl: config.ttl }),
      }),
    );
    expect(app.get(SERVICE_DISCOVERY_OPTIONS)).toMatchObject({ registry: { serviceTtl: '42s' } });
  });

  it('builds options by a class that injects exports of the imports', async () => {
    @Injectable()
    class Options implements ServiceDiscoveryOptionsFactory {
      constructor(@Inject(Config) private readonly config: Config) {}

      async createServiceDiscoveryOptions(): Promise<AsyncFactoryOptions> {
        return { serviceTtl: this.config.ttl };
      }
    }
    const app = await apps.create(
      ServiceDiscoveryModule.forRootAsync({ imports: [ConfigModule], useClass: Options, api: false }),
    );
    expect(app.get(SERVICE_DISCOVERY_OPTIONS)).toMatchObject({ registry: { serviceTtl: '42s' }, api: false });
  });

  it('builds options by an existing provider', async () => {
    const made = { createServiceDiscoveryOptions: () => ({ serviceTtl: '43s' }) };
    @Module({ providers: [{ provide: 'OPTIONS', useValue: made }], exports: ['OPTIONS'] })
    class OptionsModule {}
    const app = await apps.create(
      ServiceDiscoveryModule.forRootAsync({ imports: [OptionsModule], useExisting: 'OPTIONS' }),
    );
    expect(app.get(SERVICE_DISCOVERY_OPTIONS)).toMatchObject({ registry: { serviceTtl: '43s' } });
  });

  it('requires exactly one way to build the options', async () => {
    const useFactory = (): object => ({});
    for (const wrong of [{}, { useFactory, useClass: Config }, { useClass: Config, useExisting: Config }]) {
      expect(() => ServiceDiscoveryModule.forRootAsync(wrong as ServiceDiscoveryAsyncOptions)).toThrow(
        'ServiceDiscoveryModule.forRootAsync: expected one of useFactory, useClass, useExisting',
      );
    }
    expect(() => ServiceDiscoveryModule.forRootAsync({ useClass: {} as never })).toThrow('useClass: expected a class');
    const error = await startError(ServiceDiscoveryModule.forRootAsync({ useClass: Config as never }));
    expect((error as Error).message).toContain(
      'forRootAsync useClass: expected to have createServiceDiscoveryOptions(), but got "Config"',
    );
  });

  it('accepts the API options next to the factory', async () => {
    const useFactory = () => ({});
    const moved = await apps.listen(ServiceDiscoveryModule.forRootAsync({ useFactory, api: { path: 'discovery' } }));
    const without = await apps.listen(ServiceDiscoveryModule.forRootAsync({ useFactory, api: false }));
    const status = async (url: string): Promise<number> => (await fetch(url)).status;
    await expect(status(`${urlOf(moved)}/discovery/services`)).resolves.toBe(200);
    await expect(status(`${urlOf(moved)}/service-discovery/services`)).resolves.toBe(404);
    await expect(status(`${urlOf(without)}/service-discovery/services`)).resolves.toBe(404);
  });

  it('rejects API options from the factory, which would have no effect', async () => {
    for (const api of [false, { path: 'discovery' }] as const) {
      const error = await startError(ServiceDiscoveryModule.forRootAsync({ useFactory: () => ({ api }) as object }));
      expect(error).toMatchObject({
        code: 'INVALID_CONFIGURATION',
        message: expect.stringMatching(/beside.*ConfigService.*SERVICE_DISCOVERY_TOKEN/),
      });
    }
    // Options built again on each read are equal, but not the same object.
    for (const api of [false, { path: 'discovery', allowedHosts: ['127.0.0.1'] }] as const) {
      const options = (): { api: typeof api } => structuredClone({ api });
      const module = ServiceDiscoveryModule.forRootAsync({ useFactory: (): object => options(), api: options().api });
      await apps.create(module);
    }
  });

  it('stops the start if the factory returns wrong options', async () => {
    const error = await startError(
      ServiceDiscoveryModule.forRootAsync({ useFactory: () => ({ serviceTtl: 'soon' as never }) }),
    );
    expect(error).toMatchObject({ code: 'INVALID_CONFIGURATION', problems: [{ path: 'serviceTtl', value: 'soon' }] });
  });
});

describe('forFeature', () => {
  @ServiceClient('greeting-service')
  class GreetingClient {
    @ServiceCall('GET /greetings/:name')
    readonly greet!: ServiceMethod<{ text: string }, { params: { name: string } }>;
  }

  @Controller('greetings')
  class GreetingController {
    @Get(':name')
    greet(): { text: string } {
      return { text: 'hello' };
    }
  }

  it('provides clients to the importing module', async () => {
    @Injectable()
    class Greeter {
      constructor(@Inject(GreetingClient) readonly client: GreetingClient) {}
    }
    @Module({ imports: [ServiceDiscoveryModule.forFeature([GreetingClient])], providers: [Greeter] })
    class Feature {}
    @DiscoverableService({ name: 'greeting-service' })
    @Module({ imports: [ServiceDiscoveryModule.forRoot(), Feature], controllers: [GreetingController] })
    class AppModule {}

    const app = await apps.listen(AppModule);
    await registered(app, 'greeting-service');
    await expect(app.get(Greeter).client.greet({ params: { name: 'Ada' } })).resolves.toEqual({ text: 'hello' });
  });

  it('stops the start of an app without forRoot, and says what to import', async () => {
    const expected = {
      code: 'INVALID_CONFIGURATION',
      message: expect.stringMatching(
        /expected ServiceDiscoveryModule\.forRoot\(\) or forRootAsync\(\) in one module of the app \(in a test, ServiceDiscoveryTestingModule\.forRoot\(\)\), but got "ServiceDiscoveryModule\.forFeature\(\[GreetingClient\]\)"/,
      ),
    };
    const feature = ServiceDiscoveryModule.forFeature([GreetingClient]);
    await expect(startError(feature)).resolves.toMatchObject(expected);
    await expect(Test.createTestingModule({ imports: [feature] }).compile()).rejects.toMatchObject(expected);
    const mock = { provide: ServiceCommunicator, useValue: {} };
    await expect(Test.createTestingModule({ imports: [feature], providers: [mock] }).compile()).rejects.toMatchObject(
      expected,
    );
  });

  it('needs no forRoot where a test overrides the client', async () => {
    const testing = await Test.createTestingModule({ imports: [ServiceDiscoveryModule.forFeature([GreetingClient])] })
      .overrideProvider(GreetingClient)
      .useValue({ greet: async () => ({ text: 'hi' }) })
      .compile();
    await expect(testing.get(GreetingClient).greet({ params: { name: 'Ada' } })).resolves.toEqual({ text: 'hi' });
  });

  it('leaves the error of wrong options to forRoot', async () => {
    const root = ServiceDiscoveryModule.forRoot({ serviceTtl: 'soon' as never });
    await expect(startError(appOf(ServiceDiscoveryModule.forFeature([GreetingClient]), root))).resolves.toMatchObject({
      problems: [{ path: 'serviceTtl' }],
    });
  });

  it('rejects a class that is not a client', () => {
    expect(() => ServiceDiscoveryModule.forFeature([GreetingClient, Catalog])).toThrow(
      'ServiceDiscoveryModule.forFeature: expected classes with @ServiceClient(), but got "Catalog"',
    );
  });
});

describe('ServiceDiscovery', () => {
  async function start() {
    const app = await apps.create(ServiceDiscoveryModule.forRoot());
    await app.init();
    return { discovery: app.get(ServiceDiscovery), registry: app.get(ServiceRegistry), app };
  }
  const user = (port: number, version = '1.2.0') =>
    ({ serviceName: 'user-service', host: '127.0.0.1', port, version, tags: ['api'] }) as const;

  it('registers, discovers and deregisters', async () => {
    const { discovery } = await start();
    const instance = await discovery.registerService(user(8080));
    expect(instance).toMatchObject({ instanceId: '127.0.0.1:8080', status: 'unknown', tags: ['api'] });
    await expect(discovery.discoverService('user-service', { version: '^1.2' })).resolves.toEqual({
      serviceName: 'user-service',
      baseUrl: 'http://127.0.0.1:8080',
      status: 'unknown',
      instance,
    });
    await expect(discovery.deregisterService('user-service', '127.0.0.1:8080')).resolves.toBe(true);
    await expect(discovery.deregisterService('user-service', '127.0.0.1:8080')).resolves.toBe(false);
    await expect(discovery.discoverService('user-service')).resolves.toBeNull();
  });

  it('rejects a registration, naming every wrong field', async () => {
    const { discovery } = await start();
    await expect(discovery.registerService({ serviceName: 'a b', host: 'http://x/', port: 0 })).rejects.toMatchObject({
      code: 'INVALID_INSTANCE',
      problems: [{ path: 'serviceName' }, { path: 'host' }, { path: 'port' }],
    });
  });

  it('returns null for an unknown service, and throws if a known one cannot be called', async () => {
    const { discovery, registry } = await start();
    await expect(discovery.discoverService('user-service')).resolves.toBeNull();
    await expect(discovery.discoverInstances('user-service')).resolves.toEqual([]);
    const instance = await discovery.registerService(user(8080));
    await expect(discovery.discoverService('user-service', { version: '^2' })).rejects.toMatchObject({
      code: 'NO_AVAILABLE_INSTANCE',
    });
    await registry.setStatus(instance, 'maintenance');
    await expect(discovery.discoverService('user-service')).rejects.toMatchObject({ code: 'NO_AVAILABLE_INSTANCE' });
    await expect(discovery.discoverInstances('user-service')).resolves.toEqual([]);
  });

  it('rotates over instances, and continues its rotation when one is added', async () => {
    const { discovery } = await start();
    await discovery.registerService(user(1));
    await discovery.registerService(user(2));
    const ports = async (count: number): Promise<number[]> => {
      const found: number[] = [];
      for (let i = 0; i < count; i++) found.push((await discovery.discoverService('user-service'))!.instance.port);
      return found.sort();
    };
    await expect(ports(4)).resolves.toEqual([1, 1, 2, 2]);
    await discovery.registerService(user(3));
    await expect(ports(6)).resolves.toEqual([1, 1, 2, 2, 3, 3]);
  });

  it('rotates even if balancing options are passed with each call', async () => {
    const { discovery } = await start();
    let made = 0;
    class Counted {
      private turn = 0;
      constructor() {
        made++;
      }
      choose<C>(candidates: readonly C[]): C {
        return candidates[this.turn++ % candidates.length]!;
      }
    }
    for (const port of [1, 2, 3]) await discovery.registerService(user(port));
    const portsBy = async (strategy: () => LoadBalancing): Promise<number[]> => {
      const found: number[] = [];
      for (let i = 0; i < 6; i++) {
        found.push((await discovery.discoverService('user-service', { strategy: strategy() }))!.instance.port);
      }
      return found.sort();
    };
    const inTurn = [1, 1, 2, 2, 3, 3];
    await expect(portsBy(() => ({ strategy: 'round_robin', slowStart: { window: '1s' } }))).resolves.toEqual(inTurn);
    await expect(portsBy(() => Counted)).resolves.toEqual(inTurn);
    expect(made).toBe(1);
  });

  it('reports to a custom load balancer that nothing was called, never before the pick', async () => {
    const { discovery } = await start();
    const took: number[] = [];
    const strategy: LoadBalancing = ({ clock }) => {
      let list: readonly ServiceInstance[] = [];
      return {
        update: (instances: readonly ServiceInstance[]) => void (list = instances),
        pick: () => {
          const began = clock.now();
          const done = (_outcome: Outcome, now = clock.now()): void => void took.push(now - began);
          return { kind: 'picked', instance: list[0]!, done };
        },
      };
    };
    await discovery.registerService(user(1));
    await discovery.discoverService('user-service', { strategy });
    expect(took).toEqual([expect.any(Number)]);
    expect(took[0]).toBeGreaterThanOrEqual(0);
  });

  it('lists instances by version and tags, healthy ones before unchecked ones', async () => {
    const { discovery, registry } = await start();
    const first = await discovery.registerService(user(1, '1.0.0'));
    await discovery.registerService(user(2, '2.0.0'));
    const ports = async (criteria: object): Promise<number[]> =>
      (await discovery.discoverInstances('user-service', criteria)).map(({ port }) => port);
    await expect(ports({})).resolves.toEqual([1, 2]);
    await expect(ports({ version: '>=2' })).resolves.toEqual([2]);
    await expect(ports({ tags: ['none'] })).resolves.toEqual([]);
    await expect(ports({ tags: new Set(['none']) })).resolves.toEqual([]);
    await registry.setStatus(first, 'healthy');
    await expect(ports({})).resolves.toEqual([1]);
  });

  it('rejects an unknown strategy', async () => {
    const { discovery } = await start();
    await discovery.registerService(user(1));
    await expect(discovery.discoverService('user-service', { strategy: 'robin' as never })).rejects.toMatchObject({
      code: 'INVALID_CONFIGURATION',
    });
  });

  it.each<[unknown, string]>([
    [{ verison: '^9' }, 'criteria.verison: expected no option of this name (did you mean "version"?), but got "^9"'],
    [{ tag: 'nope' }, 'criteria.tag: expected no option of this name (did you mean "tags"?), but got "nope"'],
    [{ tags: 'api' }, 'criteria.tags: expected a list or a Set of texts, but got "api"'],
    [{ version: 1, zone: {} }, 'criteria.version: expected a semver range, but got 1; criteria.zone: expected'],
    [3, 'criteria: expected an object such as { version: "^1.2" }, but got 3'],
    [null, 'criteria: expected an object such as { version: "^1.2" }, but got null'],
  ])('rejects invalid criteria (%j), whether the service exists or not', async (criteria, message) => {
    const { discovery } = await start();
    await discovery.registerService(user(1));
    for (const name of ['user-service', 'unknown']) {
      for (const discover of ['discoverService', 'discoverInstances'] as const) {
        const refused = discovery[discover](name, criteria as never);
        await expect(refused).rejects.toMatchObject({ code: 'INVALID_REQUEST', service: name });
        await expect(refused).rejects.toThrow(message);
      }
    }
  });

  it.each([[3], [''], [undefined]])('rejects %j in place of a service name', async (name) => {
    const { discovery } = await start();
    for (const discover of ['discoverService', 'discoverInstances'] as const) {
      await expect(discovery[discover](name as string)).rejects.toMatchObject({
        code: 'INVALID_REQUEST',
        message: expect.stringContaining('serviceName: expected the name of a service, but got'),
      });
    }
  });

  it('accepts pick options for a pick only, not for a list', async () => {
    const { discovery } = await start();
    await discovery.registerService(user(1));
    const pick = { strategy: 'random', key: 'k', clientIp: '::1' } as const;
    await expect(discovery.discoverService('user-service', pick)).resolves.toMatchObject({ instance: { port: 1 } });
    await expect(discovery.discoverInstances('user-service', pick as object)).rejects.toThrow('criteria.strategy');
  });

  it('keeps the rotation of a service only while it is registered', async () => {
    const { discovery } = await start();
    let made = 0;
    const strategy: LoadBalancing = (deps) => (made++, createLoadBalancer('round_robin', deps));
    const register = (serviceName: string) => discovery.registerService({ ...user(1), serviceName });
    const discover = (serviceName: string) => discovery.discoverService(serviceName, { strategy });
    await register('user-service');
    await discover('user-service');
    await discover('user-service');
    expect(made).toBe(1);
    await discovery.deregisterService('user-service');
    await register('order-service');
    await discover('order-service');
    await register('user-service');
    await discover('user-service');
    expect(made).toBe(3);
  });

  it('deregisters everything that this process registered under a name', async () => {
    const { discovery, registry } = await start();
    await discovery.registerService(user(1));
    await discovery.registerService(user(2));
    await registry.register(user(3), { heartbeat: 'manual' });
    await expect(discovery.deregisterService('user-service')).resolves.toBe(true);
    expect(registry.getInstances('user-service').map(({ port }) => port)).toEqual([3]);
  });

  it('aggregates health and shows the patterns in effect', async () => {
    const { discovery } = await start();
    await discovery.registerService(user(1));
    await expect(discovery.getAggregatedHealth()).resolves.toMatchObject({
      overallStatus: 'unknown',
      totalServices: 1,
    });
    expect(Object.keys(discovery.getCommunicationPatterns())).toEqual(['web', 'app', 'data', 'ml', 'monitoring']);
  });

  it('is available together with the communicator', async () => {
    const { app } = await start();
    expect(app.get(ServiceCommunicator)).toBeInstanceOf(ServiceCommunicator);
  });
});

describe('events', () => {
  it("are logged through the app's own logger: a sentence, its fields, the context", async () => {
    const lines: unknown[][] = [];
    const log = (...line: unknown[]): void => void lines.push(line);
    const app = await NestFactory.create(ServiceDiscoveryModule.forRoot(), {
      logger: { log, warn: log, error: log },
      abortOnError: false,
    });
    await app.init();
    lines.length = 0;
    await app.get(ServiceRegistry).register({ serviceName: 'user-service', host: '127.0.0.1', port: 1 });
    expect(lines).toEqual([
      [
        'user-service/127.0.0.1:1 registered at http://127.0.0.1:1',
        expect.objectContaining({ event: 'instance.registered', service: 'user-service' }),
        'ServiceDiscovery',
      ],
    ]);
    await app.close();
  });

  it('are counted in the metrics', async () => {
    const app = await apps.create(ServiceDiscoveryModule.forRoot());
    await app.init();
    await app.get(ServiceRegistry).register({ serviceName: 'user-service', host: '127.0.0.1', port: 1 });
    await expect(app.get(DiscoveryMetrics).metrics()).resolves.toContain('service_discovery_registrations_total');
  });

  it('reach other listeners even if one fails', async () => {
    const app = await apps.create(ServiceDiscoveryModule.forRoot());
    await app.init();
    const seen: string[] = [];
    app.get(EventBus).onAny(() => {
      throw new Error('a listener of the app failed');
    });
    app.get(EventBus).onAny(({ type }) => seen.push(type));
    await app.get(ServiceRegistry).register({ serviceName: 'user-service', host: '127.0.0.1', port: 1 });
    expect(seen).toEqual(['instance.registered']);
  });
});
