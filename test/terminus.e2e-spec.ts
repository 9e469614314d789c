import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  Controller,
  Get,
  type INestApplication,
  Inject,
  Module,
  RequestMethod,
  ServiceUnavailableException,
  Version,
  VersioningType,
} from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { HealthCheck, HealthCheckService, HealthIndicatorService, TerminusModule } from '@nestjs/terminus';
import {
  DiscoverableService,
  EventBus,
  HealthAggregator,
  ServiceDiscoveryHealthIndicator,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  type ServiceHealthOptions,
  type ServiceRegistration,
  type HealthStatus,
  ServiceRegistry,
} from 'nest-service-discovery';
import { Apps, inRegistry, PLATFORMS, urlOf } from './support/nest-app.js';

const apps = new Apps();
afterEach(() => apps.close());

/** Checks are manual, so each test sets the state. */
const QUIET: ServiceDiscoveryOptions = { healthCheck: false, logging: false };

interface Answer {
  status: number;
  cacheControl: string | null;
  body: Record<string, unknown>;
}

async function get(app: INestApplication, path: string): Promise<Answer> {
  const response = await fetch(urlOf(app) + path);
  const body = (await response.json()) as Record<string, unknown>;
  return { status: response.status, cacheControl: response.headers.get('cache-control'), body };
}

/** Registers one instance per health, and reports that. */
async function services(app: INestApplication, given: Record<string, HealthStatus[]>): Promise<void> {
  const registry = app.get(ServiceRegistry);
  for (const [serviceName, healths] of Object.entries(given)) {
    for (const [index, health] of healths.entries()) {
      const instanceId = `${serviceName}-${index}`;
      await registry.register({ serviceName, instanceId, host: '127.0.0.1', port: 1 + index }, { heartbeat: 'manual' });
      await registry.setStatus({ serviceName, instanceId }, health);
    }
  }
}

describe.each(PLATFORMS)('GET /health on %s', (_, adapter) => {
  it('answers healthy, including the services', async () => {
    const app = await apps.listen(ServiceDiscoveryModule.forRoot(QUIET), adapter);
    await services(app, { users: ['healthy'], orders: ['healthy', 'healthy'] });
    const none = { degraded_services: 0, unhealthy_services: 0, unknown_services: 0 };
    const counts = { overall_status: 'healthy', total_services: 2, healthy_services: 2, ...none };
    const summary = { ...counts, registry: { connected: true, age_seconds: 0 } };
    const details = { service_discovery: { status: 'up', ...summary } };
    expect(await get(app, '/health')).toEqual({
      status: 200,
      cacheControl: 'no-cache, no-store, must-revalidate',
      body: { status: 'healthy', info: details, error: {}, details, service_discovery: summary },
    });
  });

  it('is healthy before any check', async () => {
    const app = await apps.listen(ServiceDiscoveryModule.forRoot(QUIET), adapter);
    expect((await get(app, '/health')).body).toMatchObject({
      status: 'healthy',
      service_discovery: { overall_status: 'unknown', total_services: 0 },
    });
  });

  it.each<[string, HealthStatus[], string]>([
    ['has lost an instance', ['healthy', 'unhealthy'], 'degraded'],
    ['has lost all its instances', ['unhealthy'], 'degraded'],
    ['that is required has lost all its instances', ['unhealthy'], 'unhealthy'],
  ])('stays 200 when another service %s', async (title, healths, overall) => {
    const health = title.includes('required') ? { required: ['orders'] } : {};
    const app = await apps.listen(ServiceDiscoveryModule.forRoot({ ...QUIET, health }), adapter);
    await services(app, { users: ['healthy'], orders: healths });
    const { status, body } = await get(app, '/health');
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: 'degraded', error: {}, service_discovery: { overall_status: overall } });
  });

  it('answers 503 and unhealthy while Terminus shuts the app down, including the services', async () => {
    const result = { status: 'shutting_down', info: {}, error: {}, details: {} };
    const check = (): Promise<never> => Promise.reject(new ServiceUnavailableException(result));
    const module = await Test.createTestingModule({ imports: [ServiceDiscoveryModule.forRoot(QUIET), TerminusModule] })
      .overrideProvider(HealthCheckService)
      .useValue({ check })
      .compile();
    const app = module.createNestApplication(adapter());
    await app.listen(0, '127.0.0.1');
    const { status, body } = await get(app, '/health');
    await app.close();
    expect([status, body]).toEqual([
      503,
      { ...result, status: 'unhealthy', service_discovery: expect.objectContaining({ overall_status: 'unknown' }) },
    ]);
  });

  it('can be moved or turned off by options', async () => {
    const moved = await apps.listen(
      ServiceDiscoveryModule.forRoot({ ...QUIET, api: { healthPath: 'live/z' } }),
      adapter,
    );
    expect((await get(moved, '/live/z')).body).toMatchObject({ status: 'healthy' });
    expect((await get(moved, '/health')).status).toBe(404);
    const gone = await apps.listen(ServiceDiscoveryModule.forRoot({ ...QUIET, api: { healthPath: false } }), adapter);
    expect((await get(gone, '/health')).status).toBe(404);
    const none = await apps.listen(ServiceDiscoveryModule.forRoot({ ...QUIET, api: false }), adapter);
    expect((await get(none, '/health')).status).toBe(404);
    expect((await get(await apps.listen(ServiceDiscoveryModule.forRoot(QUIET), adapter), '/health')).status).toBe(200);
  });

  it('follows the prefix and the versioning of the app', async () => {
    const app = await apps.create(ServiceDiscoveryModule.forRoot(QUIET), adapter);
    app.setGlobalPrefix('api');
    app.enableVersioning({ type: VersioningType.URI, defaultVersion: '1' });
    await app.listen(0, '127.0.0.1');
    expect((await get(app, '/api/health')).status).toBe(200);
  });

  describe('next to a health check of the app', () => {
    @Controller('health')
    class OwnHealthController {
      constructor(@Inject(HealthCheckService) private readonly health: HealthCheckService) {}

      @Get()
      @HealthCheck()
      async check(): Promise<object> {
        return { ...(await this.health.check([])), own: true };
      }
    }

    @Controller()
    class RootController {
      @Get(['status', '/health/'])
      check(): object {
        return { own: true };
      }
    }

    @Controller('health')
    class PlainHealthController {
      constructor(
        @Inject(ServiceDiscoveryHealthIndicator) private readonly services: ServiceDiscoveryHealthIndicator,
      ) {}

      @Get()
      check(): object {
        return { status: 'fine', service_discovery: this.services.summary() };
      }
    }

    @Controller('health')
    class ProbesController {
      @Get('live')
      live(): object {
        return { live: true };
      }
    }

    @Controller('health')
    class FirstVersionController {
      @Get()
      @Version('1')
      check(): object {
        return { own: true };
      }
    }

    const moduleOf = (controller: object, terminus: object = TerminusModule): object => {
      @Module({ imports: [terminus as never], controllers: [controller as never] })
      class OwnModule {}
      return OwnModule;
    };

    it.each([
      ['before', (own: object, root: object) => [own, root]],
      ['after', (own: object, root: object) => [root, own]],
    ])('does not replace it if its module is imported %s the library', async (_order, order) => {
      const own = moduleOf(OwnHealthController, TerminusModule.forRoot({ gracefulShutdownTimeoutMs: 0 }));
      @Module({ imports: order(own, ServiceDiscoveryModule.forRoot(QUIET)) as never })
      class AppModule {}
      const { status, body } = await get(await apps.listen(AppModule, adapter), '/health');
      expect(status).toBe(200);
      expect(body).toMatchObject({ status: 'ok', own: true });
      expect(body).not.toHaveProperty('service_discovery');
    });

    it('does not replace a route on the same path that is declared in another way', async () => {
      @Module({ imports: [ServiceDiscoveryModule.forRoot(QUIET)], controllers: [RootController] })
      class AppModule {}
      expect((await get(await apps.listen(AppModule, adapter), '/health')).body).toEqual({ own: true });
    });

    it('includes the same block with one line, also without Terminus', async () => {
      @Module({ imports: [ServiceDiscoveryModule.forRoot(QUIET)], controllers: [PlainHealthController] })
      class AppModule {}
      const app = await apps.listen(AppModule, adapter);
      await services(app, { users: ['healthy'], orders: ['unhealthy'] });
      const bundled = await apps.listen(ServiceDiscoveryModule.forRoot(QUIET), adapter);
      await services(bundled, { users: ['healthy'], orders: ['unhealthy'] });
      const { service_discovery: block } = (await get(bundled, '/health')).body;
      expect((await get(app, '/health')).body).toEqual({ status: 'fine', service_discovery: block });
    });

    it('is not displaced by paths below, by versions, and by modules with a prefix', async () => {
      const admin = moduleOf(OwnHealthController);
      @Module({
        imports: [
          ServiceDiscoveryModule.forRoot(QUIET),
          moduleOf(ProbesController) as never,
          moduleOf(FirstVersionController) as never,
          admin as never,
          RouterModule.register([{ path: 'admin', module: admin as never }]),
        ],
      })
      class AppModule {}
      const app = await apps.create(AppModule, adapter);
      app.enableVersioning({ type: VersioningType.URI });
      app.setGlobalPrefix('v', { exclude: [{ path: 'health/live', method: RequestMethod.GET }] });
      await app.listen(0, '127.0.0.1');
      expect((await get(app, '/v/health')).body).toHaveProperty('service_discovery');
      expect((await get(app, '/health/live')).body).toEqual({ live: true });
      expect((await get(app, '/v/v1/health')).body).toEqual({ own: true });
      expect((await get(app, '/v/admin/health')).body).toMatchObject({ own: true });
    });
  });

  it('is the route that the health monitor checks: an app finds itself healthy', async () => {
    @Module({
      imports: [ServiceDiscoveryModule.forRoot({ logging: false, healthCheck: { interval: '1s', timeout: '1s' } })],
    })
    @DiscoverableService({ name: 'shop-service' })
    class AppModule {}
    const app = await apps.create(AppModule, adapter);
    await app.listen(0, '127.0.0.1');
    const instance = await inRegistry(app, ({ services: known }) =>
      known.get('shop-service')?.find(({ healthStatus }) => healthStatus !== 'unknown'),
    );
    expect(instance).toMatchObject({
      status: 'healthy',
      healthCheckPath: '/health/ready',
      health: { statusCode: 200, data: { status: 'ok', details: { readiness: { status: 'up' } } } },
    });
    expect(app.get(HealthAggregator).getAggregatedHealth()).toMatchObject({
      overallStatus: 'healthy',
      services: { 'shop-service': { status: 'healthy', healthData: { status: 'ok' } } },
    });
  });
});

describe('scheduled health checks', () => {
  it('find an instance with a closed port, and one that only speaks TCP', async () => {
    const options: ServiceDiscoveryOptions = { logging: false, healthCheck: { interval: '200ms', timeout: '200ms' } };
    const app = await apps.listen(ServiceDiscoveryModule.forRoot(options));
    const closed = await apps.listen(ServiceDiscoveryModule.forRoot(QUIET));
    const port = Number(new URL(urlOf(closed)).port);
    await closed.close();
    const checked: { id: string; passed: boolean }[] = [];
    app.get(EventBus).on('health.checked', ({ key, passed }) => checked.push({ id: key.instanceId, passed }));
    const registry = app.get(ServiceRegistry);
    const own = Number(new URL(urlOf(app)).port);
    const register = (instanceId: string, at: number, healthCheckPath: string | null): Promise<unknown> =>
      registry.register({ serviceName: 'users', instanceId, host: '127.0.0.1', port: at, healthCheckPath });
    await register('dead', port, '/health');
    await register('tcp', own, null);
    await register('lost', own, '/nowhere');
    const users = await inRegistry(app, ({ services: known }) => {
      const found = known.get('users');
      return found?.length === 3 && found.every(({ status }) => status !== 'unknown') ? found : undefined;
    });
    expect(users.map(({ instanceId, status, health }) => [instanceId, status, health?.reason])).toEqual([
      ['dead', 'unhealthy', 'connection refused'],
      ['tcp', 'healthy', undefined],
      ['lost', 'unhealthy', 'status 404 at /nowhere'],
    ]);
    expect(new Set(checked.map(({ id, passed }) => `${id} ${passed}`))).toEqual(
      new Set(['dead false', 'tcp true', 'lost false']),
    );
  });
});

describe('ServiceDiscoveryHealthIndicator', () => {
  const indicatorOf = (health: HealthStatus[], indicators = new HealthIndicatorService()) =>
    apps.listen(ServiceDiscoveryModule.forRoot(QUIET)).then(async (app) => {
      await services(app, { users: health });
      return new ServiceDiscoveryHealthIndicator(indicators, app.get(HealthAggregator), app.get(ServiceRegistry));
    });

  it.each<[HealthStatus[], NonNullable<ServiceHealthOptions['outage']>, string]>([
    [['healthy'], 'down', 'up'],
    [['unknown'], 'down', 'up'],
    [['healthy', 'unhealthy'], 'up', 'up'],
    [['healthy', 'unhealthy'], 'degraded', 'degraded'],
    [['healthy', 'unhealthy'], 'down', 'degraded'],
    [['unhealthy'], 'up', 'up'],
    [['unhealthy'], 'degraded', 'degraded'],
    [['unhealthy'], 'down', 'down'],
  ])('with instances %j and outages as %s is %s', async (health, outage, expected) => {
    const indicator = await indicatorOf(health);
    expect(indicator.isHealthy('services', { outage })).toMatchObject({
      services: { status: expected, total_services: 1 },
    });
  });

  it('is up instead of degraded in a Terminus version without that status', async () => {
    const check = (key: string) => ({ up: (data: object) => ({ [key]: { status: 'up', ...data } }) });
    const indicator = await indicatorOf(['unhealthy'], { check } as unknown as HealthIndicatorService);
    expect(indicator.isHealthy()).toMatchObject({
      service_discovery: { status: 'up', overall_status: 'unhealthy', unhealthy_services: 1 },
    });
  });

  describe('for some services', () => {
    let indicator: ServiceDiscoveryHealthIndicator;
    beforeEach(async () => {
      const app = await apps.listen(ServiceDiscoveryModule.forRoot(QUIET));
      const registry = app.get(ServiceRegistry);
      for (const [serviceName, status, more] of [
        ['users', 'healthy', { tags: ['core'] }],
        ['orders', 'unhealthy', { tags: ['core'], tier: 'app' }],
        ['catalog', 'healthy', { tier: 'data' }],
      ] satisfies [string, HealthStatus, Partial<ServiceRegistration>][]) {
        const key = { serviceName, instanceId: 'a' };
        await registry.register({ ...key, host: '127.0.0.1', port: 1, ...more }, { heartbeat: 'manual' });
        await registry.setStatus(key, status);
      }
      indicator = app.get(ServiceDiscoveryHealthIndicator);
    });

    it.each<[ServiceHealthOptions, string, object]>([
      [{ service: 'users' }, 'up', { total_services: 1, healthy_services: 1 }],
      [{ service: 'orders' }, 'down', { total_services: 1, unhealthy_services: 1 }],
      [{ service: ['users', 'catalog'] }, 'up', { total_services: 2, healthy_services: 2 }],
      [{ service: ['users', 'payments'] }, 'down', { missing_services: ['payments'] }],
      [{ tag: 'core' }, 'degraded', { total_services: 2, unhealthy_services: 1 }],
      [{ tier: 'app' }, 'down', { total_services: 1, unhealthy_services: 1 }],
      [{ tier: 'data' }, 'up', { total_services: 1, healthy_services: 1 }],
    ])('%j it is %s', (selection, status, data) => {
      expect(indicator.isHealthy('some', { outage: 'down', ...selection })).toMatchObject({
        some: { status, ...data },
      });
    });

    it('names no service that is not selected', () => {
      expect(indicator.isHealthy('all').all).not.toHaveProperty('missing_services');
    });
  });

  it('follows a service that it names if the process reads only those it uses', async () => {
    const registry = await apps.listen(ServiceDiscoveryModule.forRoot(QUIET));
    await services(registry, { users: ['unhealthy'] });
    const app = await apps.listen(
      ServiceDiscoveryModule.forRoot({ ...QUIET, registryUrl: urlOf(registry), follow: 'used' }),
    );
    const indicator = app.get(ServiceDiscoveryHealthIndicator);
    expect(indicator.isHealthy('users', { service: 'users', outage: 'down' }).users.status).toBe('up');
    await inRegistry(app, ({ services: known }) => known.get('users'));
    expect(indicator.isHealthy('users', { service: 'users', outage: 'down' }).users.status).toBe('down');
  });

  it('does not throw when the app has closed', async () => {
    const app = await apps.listen(ServiceDiscoveryModule.forRoot(QUIET));
    await services(app, { users: ['healthy'] });
    await app.close();
    expect(app.get(ServiceDiscoveryHealthIndicator).isHealthy('users', { service: 'users' }).users.status).toBe('up');
  });

  it('makes a health check of the app answer 503 if an outage counts as down', async () => {
    @Controller('ready')
    class ReadinessController {
      constructor(
        @Inject(HealthCheckService) private readonly health: HealthCheckService,
        @Inject(ServiceDiscoveryHealthIndicator) private readonly indicator: ServiceDiscoveryHealthIndicator,
      ) {}

      @Get()
      check(): Promise<object> {
        return this.health.check([() => this.indicator.isHealthy('services', { outage: 'down' })]);
      }
    }
    @Module({
      imports: [ServiceDiscoveryModule.forRoot(QUIET), TerminusModule.forRoot({ logger: false })],
      controllers: [ReadinessController],
    })
    class AppModule {}
    const app = await apps.listen(AppModule);
    await services(app, { users: ['unhealthy'] });
    expect(await get(app, '/ready')).toMatchObject({
      status: 503,
      body: { status: 'error', error: { services: { status: 'down', overall_status: 'unhealthy' } } },
    });
  });
});
