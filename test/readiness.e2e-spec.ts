import { type Server } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Controller, Get, type INestApplication, Module, type OnModuleDestroy } from '@nestjs/common';
import {
  DiscoverableService,
  EventBus,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceReadiness,
  ServiceRegistry,
} from 'nest-service-discovery';
import { Apps, inRegistry, PLATFORMS, registered, urlOf } from './support/nest-app.js';

const apps = new Apps();
afterEach(() => apps.close());

const QUIET: ServiceDiscoveryOptions = { healthCheck: false, logging: false };

async function ask(app: INestApplication, path: string): Promise<[status: number, body: Record<string, unknown>]> {
  const response = await fetch(urlOf(app) + path);
  return [response.status, (await response.json()) as Record<string, unknown>];
}

describe.each(PLATFORMS)('on %s', (_, adapter) => {
  const start = (options: ServiceDiscoveryOptions = {}): Promise<INestApplication> =>
    apps.listen(ServiceDiscoveryModule.forRoot({ ...QUIET, ...options }), adapter);

  describe('GET /health/ready', () => {
    it('is 200 if nothing holds readiness, and is not cached', async () => {
      const app = await start();
      const response = await fetch(`${urlOf(app)}/health/ready`);
      expect(response.status).toBe(200);
      expect(response.headers.get('cache-control')).toBe('no-cache, no-store, must-revalidate');
      const details = { readiness: { status: 'up' } };
      expect(await response.json()).toEqual({ status: 'ok', info: details, error: {}, details });
    });

    it('is 503 with the reasons while readiness is held', async () => {
      const app = await start();
      const readiness = app.get(ServiceReadiness);
      const releases = [readiness.hold('migrations run'), readiness.hold('the cache is cold')];
      const error = { readiness: { status: 'down', message: 'migrations run; the cache is cold' } };
      expect(await ask(app, '/health/ready')).toEqual([503, { status: 'error', info: {}, error, details: error }]);
      for (const release of releases) release();
      expect((await ask(app, '/health/ready'))[0]).toBe(200);
    });

    it('is 503 while a check of the app fails', async () => {
      const app = await start();
      let status: 'up' | 'down' = 'down';
      app.get(ServiceReadiness).addCheck(async () => ({ database: { status, message: 'connection refused' } }));
      const info = { readiness: { status: 'up' } };
      const error = { database: { status: 'down', message: 'connection refused' } };
      expect(await ask(app, '/health/ready')).toEqual([
        503,
        { status: 'error', info, error, details: { ...info, ...error } },
      ]);
      status = 'up';
      expect((await ask(app, '/health/ready'))[0]).toBe(200);
    });

    it('does not depend on other services', async () => {
      const app = await start();
      const registry = app.get(ServiceRegistry);
      await registry.register({ serviceName: 'users', instanceId: 'a', host: '127.0.0.1', port: 1 });
      await registry.setStatus({ serviceName: 'users', instanceId: 'a' }, 'unhealthy');
      expect((await ask(app, '/health/ready'))[0]).toBe(200);
    });
  });

  describe('GET /health/live', () => {
    it('is 200 even while the app is not ready', async () => {
      const app = await start();
      app.get(ServiceReadiness).hold('overloaded');
      expect(await ask(app, '/health/live')).toEqual([200, { status: 'ok', info: {}, error: {}, details: {} }]);
    });

    it('and readiness do not depend on the registry', async () => {
      const app = await start({ registryUrl: 'http://127.0.0.1:1', startTimeout: 0 });
      expect((await ask(app, '/health/live'))[0]).toBe(200);
      expect((await ask(app, '/health/ready'))[0]).toBe(200);
    });
  });

  describe('the probe routes', () => {
    it('can be moved or turned off by options', async () => {
      const moved = await start({ api: { healthPath: 'ops/health' } });
      for (const path of ['/ops/health/live', '/ops/health/ready']) expect((await ask(moved, path))[0]).toBe(200);
      expect((await ask(moved, '/health/live'))[0]).toBe(404);
      const none = await start({ api: { healthPath: false } });
      for (const path of ['/health/live', '/health/ready']) expect((await ask(none, path))[0]).toBe(404);
    });

    it('yield to those of the app one by one', async () => {
      @Controller('health')
      class OwnController {
        @Get('ready')
        ready(): object {
          return { own: true };
        }
      }
      @Module({ imports: [ServiceDiscoveryModule.forRoot(QUIET)], controllers: [OwnController] })
      class AppModule {}
      const app = await apps.listen(AppModule, adapter);
      expect(await ask(app, '/health/ready')).toEqual([200, { own: true }]);
      expect((await ask(app, '/health/live'))[1]).toMatchObject({ status: 'ok' });
      expect((await ask(app, '/health'))[1]).toHaveProperty('service_discovery');
    });
  });

  it('an app that shuts down is alive but not ready while it still serves', async () => {
    const probe = async (): Promise<unknown> => [await ask(app, '/health/ready'), await ask(app, '/health/live')];
    const listened: boolean[] = [];
    /** The server does not close while its request is in flight. */
    @Controller()
    class LastController {
      @Get('last')
      async last(): Promise<unknown> {
        const deregistered = new Promise<void>((resolve) => {
          app.get(EventBus).onAny(({ type }) => type === 'instance.deregistered' && resolve());
        });
        closed = app.close();
        await deregistered;
        return probe();
      }
    }
    @DiscoverableService({ name: 'user-service' })
    @Module({ imports: [ServiceDiscoveryModule.forRoot(QUIET)], controllers: [LastController] })
    class AppModule implements OnModuleDestroy {
      /** Called before all other hooks of the app, since it belongs to the root module. */
      onModuleDestroy(): void {
        listened.push((app.getHttpServer() as Server).listening);
      }
    }
    const app = await apps.listen(AppModule, adapter);
    let closed: Promise<void> | undefined;
    await registered(app, 'user-service');
    const [, seen] = await ask(app, '/last');
    await closed;
    const error = { readiness: { status: 'down', message: 'the app shuts down' } };
    const answers = [
      [503, { status: 'shutting_down', info: {}, error, details: error }],
      [200, { status: 'ok', info: {}, error: {}, details: {} }],
    ];
    expect(seen).toEqual(answers);
    expect(listened).toEqual([false]);
  });

  it('an app that is no longer ready is unhealthy in checks, and recovers by itself', async () => {
    @DiscoverableService({ name: 'user-service' })
    @Module({
      imports: [ServiceDiscoveryModule.forRoot({ logging: false, healthCheck: { interval: '500ms', fall: 1 } })],
    })
    class AppModule {}
    const app = await apps.listen(AppModule, adapter);
    const until = (healthStatus: string, statusCode: number): Promise<unknown> =>
      inRegistry(app, ({ services }) =>
        services
          .get('user-service')
          ?.find((one) => one.status === healthStatus && one.health?.statusCode === statusCode),
      );
    await until('healthy', 200);
    const release = app.get(ServiceReadiness).hold('the database is lost');
    expect(await until('unhealthy', 503)).toMatchObject({
      health: { data: { error: { readiness: { message: 'the database is lost' } } } },
    });
    release();
    await until('healthy', 200);
  });
});
