import { createServer, type IncomingHttpHeaders } from 'node:http';
import { type INestApplication, Module } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  DiscoverableService,
  InvalidConfigurationError,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  type ServiceInstance,
} from 'nest-service-discovery';
import { Apps, inRegistry, portOf, startError, urlOf } from './support/nest-app.js';
import { closeServers, listen } from './support/probed-server.js';
import { send } from './support/rest-app.js';

const apps = new Apps();
afterEach(async () => {
  await apps.close();
  await closeServers();
});

/** An app that checks often; each first result counts at once. */
function appWith(healthCheck: ServiceDiscoveryOptions['healthCheck']): Promise<INestApplication> {
  @Module({ imports: [ServiceDiscoveryModule.forRoot({ healthCheck, api: { checkTargets: 'any' }, logging: false })] })
  class AppModule {}
  return apps.listen(AppModule);
}

/** The instance of a service after its first check. */
function checked(app: INestApplication, serviceName: string): Promise<ServiceInstance> {
  return inRegistry(app, ({ services }) => services.get(serviceName)?.find(({ health }) => health !== undefined));
}

describe('checks of the instances of an app', () => {
  let asked: IncomingHttpHeaders | undefined;
  let port: number;
  beforeEach(async () => {
    const backend = createServer(({ url, headers }, response) => {
      if (url === '/ready') asked = headers;
      response.writeHead(url === '/ready' ? 200 : 429, { 'content-type': 'application/json' }).end('{"status":"warn"}');
    });
    port = await listen(backend);
  });

  async function register(app: INestApplication, service_name: string, more: object = {}): Promise<ServiceInstance> {
    const json = { service_name, host: '127.0.0.1', port, ...more };
    expect((await send(`${urlOf(app)}/service-discovery/register`, 'POST', { json })).status).toBe(201);
    return checked(app, service_name);
  }

  it("follow the process's settings for all, those for the service, and those of the instance", async () => {
    const app = await appWith({
      interval: '100ms',
      unhealthyStatuses: [[500, 599]],
      services: {
        users: { path: '/ready', headers: { 'x-token': 's3cr3t' }, body: { path: 'status', equals: ['pass', 'warn'] } },
      },
    });
    expect(await register(app, 'users')).toMatchObject({ status: 'healthy', health: { statusCode: 200 } });
    expect(asked).toMatchObject({ 'x-token': 's3cr3t' });
    const own = { path: '/ready', body: { contains: '"pass"' }, headers: { 'x-own': 's3cr3t' } };
    expect(await register(app, 'orders', { health_check: own })).toMatchObject({
      status: 'unhealthy',
      health: { reason: 'the body does not contain "\\"pass\\""' },
    });
    expect(asked).toMatchObject({ 'x-own': 's3cr3t' });
    expect(await register(app, 'mail')).toMatchObject({
      status: 'unknown',
      health: { reason: 'status 429 at /health (not counted)' },
    });
    const { body } = await send(`${urlOf(app)}/service-discovery/services/orders`, 'GET');
    expect(JSON.stringify(body)).toContain('"x-own":"***"');
    expect(JSON.stringify(body)).not.toContain('s3cr3t');
  });

  it('can be functions of the app, and follow other services', async () => {
    const app = await appWith({
      interval: '100ms',
      probes: { redis: ({ port: asks }) => Promise.resolve({ passed: asks === port, data: { role: 'master' } }) },
      services: { edge: { type: 'alias', aliasOf: 'cache' } },
    });
    const custom = { health_check: { type: 'custom', probe: 'redis' } };
    expect(await register(app, 'cache', custom)).toMatchObject({
      status: 'healthy',
      health: { data: { role: 'master' } },
    });
    expect(await register(app, 'edge')).toMatchObject({ status: 'healthy', health: { data: { alias_of: 'cache' } } });
    expect(await register(app, 'queue', { health_check: { type: 'custom', probe: 'kafka' } })).toMatchObject({
      status: 'unknown',
      health: { reason: expect.stringContaining('knows no probe kafka') },
    });
  });

  it('can be configured in the decorator', async () => {
    @DiscoverableService({ name: 'reports', healthCheck: { type: 'tcp', interval: '1s' } })
    @Module({ imports: [ServiceDiscoveryModule.forRoot({ healthCheck: { interval: '100ms' }, logging: false })] })
    class AppModule {}
    const app = await apps.listen(AppModule);
    expect(await checked(app, 'reports')).toMatchObject({
      port: portOf(app),
      status: 'healthy',
      healthCheck: { type: 'tcp', interval: 1_000 },
      health: { statusCode: undefined },
    });
  });

  it('stop the start with all their wrong settings', async () => {
    const healthCheck = {
      services: { users: { methods: 'GET', timeout: 'soon' as never }, cache: { type: 'custom', probe: 'redsi' } },
      probes: { redis: () => true },
    } as ServiceDiscoveryOptions['healthCheck'];
    @Module({ imports: [ServiceDiscoveryModule.forRoot({ healthCheck })] })
    class AppModule {}
    const error = await startError(AppModule);
    expect(error).toBeInstanceOf(InvalidConfigurationError);
    expect((error as InvalidConfigurationError).problems).toMatchObject([
      { path: 'healthCheck.services.users.methods', expected: expect.stringContaining('method') },
      { path: 'healthCheck.services.users.timeout', value: 'soon' },
      { path: 'healthCheck.services.cache.probe', value: 'redsi', expected: expect.stringContaining('redis') },
    ]);
  });
});
