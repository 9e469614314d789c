import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  type DynamicModule,
  type INestApplication,
  Inject,
  Module,
  type OnModuleInit,
  type Type,
} from '@nestjs/common';
import {
  DiscoverableService,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceReadiness,
  ServiceRegistry,
  type WaitForServiceOptions,
} from 'nest-service-discovery';
import { Apps, inRegistry, registered, urlOf } from './support/nest-app.js';
import { RedisServer } from './support/redis-server.js';

const apps = new Apps();
let registry: INestApplication;

beforeEach(async () => {
  const options: ServiceDiscoveryOptions = { logging: false, healthCheck: { interval: '1s' } };
  registry = await apps.listen(ServiceDiscoveryModule.forRoot({ mode: 'memory_only', ...options }));
});
afterEach(() => apps.close());

const remote = (options: ServiceDiscoveryOptions = {}): DynamicModule =>
  ServiceDiscoveryModule.forRoot({
    registryUrl: urlOf(registry),
    logging: false,
    shutdown: { drainDelay: 0 },
    ...options,
  });

/** An app that announces one service, and waits for another one before it starts. */
function appOf(name: string, waitsFor: string, options: WaitForServiceOptions, discovery = remote()): Type {
  @DiscoverableService({ name })
  @Module({ imports: [discovery] })
  class AppModule implements OnModuleInit {
    constructor(@Inject(ServiceDiscovery) private readonly services: ServiceDiscovery) {}

    async onModuleInit(): Promise<void> {
      await this.services.waitForService(waitsFor, options);
    }
  }
  return AppModule;
}

/** An app that announces `order-service` once its hold is released, which never happens. */
function appWithHold(): Type {
  @DiscoverableService({ name: 'order-service' })
  @Module({ imports: [remote()] })
  class AppModule {
    constructor(@Inject(ServiceReadiness) readiness: ServiceReadiness) {
      readiness.hold('waits');
    }
  }
  return AppModule;
}

/** An app that announces `user-service`. */
function users(discovery = remote()): Type {
  @DiscoverableService({ name: 'user-service' })
  @Module({ imports: [discovery] })
  class AppModule {}
  return AppModule;
}

describe('an app that waits for a service in onModuleInit', () => {
  it.each<[string, ServiceDiscoveryOptions]>([
    ['all services', {}],
    ['those that it uses', { follow: 'used' }],
  ])('starts when the service is found healthy, also if it follows %s', async (_what, options) => {
    const starting = apps.listen(appOf('order-service', 'user-service', {}, remote(options)));
    await apps.listen(users());
    await starting;
    const endpoint = await registry.get(ServiceDiscovery).waitForService('order-service');
    expect(endpoint).toMatchObject({ serviceName: 'order-service', status: 'healthy' });
  });

  it('is told that neither would ever start if the service waits for it in turn', async () => {
    const options: WaitForServiceOptions = { timeout: '500ms' };
    const starts = [appOf('order-service', 'user-service', options), appOf('user-service', 'order-service', options)];
    const errors = await Promise.all(starts.map((start) => apps.listen(start).catch((error: unknown) => error)));
    expect(errors.map((error) => (error as Error).message.replace(/\. See .*/, ''))).toEqual([
      '"user-service" was not there within 500 ms: no instance of it is registered. This app\'s own "order-service" ' +
        'registers when the app listens and is ready: what waits for that in turn never starts. Wait in the background, ' +
        'or after listen(), where that may be',
      expect.stringContaining('own "user-service" registers when'),
    ]);
  });
});

it('a wait that holds readiness is told why the app is not registered', async () => {
  const app = await apps.listen(appWithHold());
  const failed = app.get(ServiceDiscovery).waitForService('unknown', { timeout: 0 });
  await expect(failed).rejects.toThrow(
    /own "order-service" registers when the app is held back no more \(waits\)\. See \S+#SERVICE_NOT_READY$/,
  );
});

it('a wait without a signal fails when the app closes, and says so', async () => {
  const app = await apps.listen(users());
  const failed = expect(app.get(ServiceDiscovery).waitForService('unknown', { timeout: false })).rejects.toMatchObject({
    code: 'REGISTRY_UNAVAILABLE',
    message:
      'The app shuts down: the wait for unknown is over. See nest-service-discovery/docs/reference/errors.md#REGISTRY_UNAVAILABLE',
  });
  await app.close();
  await failed;
});

it('a wait sees what another process registers in Redis', async () => {
  const redis = await RedisServer.start();
  try {
    const discovery = (): DynamicModule =>
      ServiceDiscoveryModule.forRoot({ redis: { url: redis.url }, logging: false, healthCheck: { interval: '1s' } });
    const one = await apps.listen(discovery());
    const waiting = one.get(ServiceDiscovery).waitForServices(['user-service']);
    await apps.listen(users(discovery()));
    expect(await waiting).toMatchObject([{ serviceName: 'user-service', status: 'healthy' }]);
    await apps.close();
  } finally {
    await redis.stop();
  }
});

describe('an app that is not ready', () => {
  /** Resolves when the registry shows the service in this state. */
  const shown = (status: string, reason?: string): Promise<true> =>
    inRegistry(registry, ({ services }) =>
      services.get('user-service')?.some((one) => one.status === status && one.health?.reason === reason)
        ? true
        : undefined,
    );

  it('listens, and registers when it is ready', async () => {
    const app = await apps.create(users());
    const release = app.get(ServiceReadiness).hold('the catalog is being loaded');
    await app.listen(0, '127.0.0.1');
    expect(registry.get(ServiceRegistry).listServices()).toEqual([]);
    release();
    expect(await registered(registry, 'user-service')).toMatchObject({ host: '127.0.0.1' });
  });

  it('registers as unhealthy when it listens, if configured', async () => {
    const app = await apps.create(users(remote({ advertise: { when: 'listening' } })));
    app.get(ServiceReadiness).hold('the catalog is being loaded');
    await app.listen(0, '127.0.0.1');
    await shown('unhealthy', 'not ready: the catalog is being loaded');
  });

  it('still closes, without having registered', async () => {
    const app = await apps.create(users());
    app.get(ServiceReadiness).hold('the catalog is being loaded');
    await app.listen(0, '127.0.0.1');
    const seen: string[] = [];
    registry.get(ServiceRegistry).onChange((_snapshot, _previous, change) => void seen.push(change?.type ?? 'null'));
    await app.close();
    expect(seen).toEqual([]);
  });

  it('reports lost readiness to the registry at once, and its return through health checks', async () => {
    const app = await apps.listen(users());
    await shown('healthy');
    const release = app.get(ServiceReadiness).hold('the database is lost');
    await inRegistry(
      registry,
      ({ services }) => services.get('user-service')?.[0]?.status === 'unhealthy' || undefined,
    );
    release();
    await registry.get(ServiceDiscovery).waitForService('user-service');
  });
});
