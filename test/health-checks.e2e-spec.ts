import { createServer, type IncomingHttpHeaders } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type INestApplication, Module } from '@nestjs/common';
import {
  DiscoverableService,
  InvalidConfigurationError,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  type ServiceInstance,
} from 'nest-service-discovery';
import { Apps, inRegistry, portOf, startError, urlOf } from './support/nest-app.js';
import { closeServers, listen, overHttp } from './support/probed-server.js';
import { RedisServer } from './support/redis-server.js';
import { type Answer, send } from './support/rest-app.js';

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

describe('instances of other protocols than HTTP', () => {
  /** Protocols of the data tier; a port that accepts connections is enough for their checks. */
  const DATA_PROTOCOLS = ['tcp', 'redis', 'postgresql', 'mysql', 'mongodb', 'amqp', 'kafka', 'ws'] as const;

  const apps = new Apps();
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await RedisServer.start();
  });
  afterEach(async () => {
    await apps.close();
    await closeServers();
    await redis.flush();
  });
  afterAll(() => redis.stop());

  const appWith = (options: ServiceDiscoveryOptions): Promise<INestApplication> =>
    apps.listen(ServiceDiscoveryModule.forRoot({ healthCheck: { interval: '200ms' }, logging: false, ...options }));

  /** A registry that receives registrations and an app that reads them, which may be the same. */
  type Pair = readonly [registry: INestApplication, asking: INestApplication];

  describe.each<[string, () => Promise<Pair>]>([
    [
      'in memory',
      async () => {
        const app = await appWith({ mode: 'memory_only' });
        return [app, app];
      },
    ],
    [
      'at another process',
      async () => {
        const registry = await appWith({ mode: 'memory_only' });
        return [registry, await appWith({ registryUrl: urlOf(registry) })];
      },
    ],
    [
      'over Redis',
      async () => [await appWith({ redis: { url: redis.url } }), await appWith({ redis: { url: redis.url } })],
    ],
  ])('with the registry %s', (_where, start) => {
    let asking: INestApplication;
    let register: (body: object) => Promise<Answer>;
    const begin = async (): Promise<void> => {
      const [registry, asked] = await start();
      asking = asked;
      register = (body) => send(`${urlOf(registry)}/service-discovery/register`, 'POST', { json: body });
    };
    const inStatus = (name: string, status: string): Promise<ServiceInstance> =>
      inRegistry(asking, ({ services }) => services.get(name)?.find((instance) => instance.status === status));

    it('services that do not speak HTTP are registered over REST, checked and discovered', async () => {
      await begin();
      const port = await listen(createTcpServer());
      for (const protocol of DATA_PROTOCOLS) {
        const body = { service_name: `${protocol}-service`, host: '127.0.0.1', port, protocol, tags: ['data'] };
        expect((await register(body)).body.base_url).toBe(`${protocol}://127.0.0.1:${port}`);
      }
      for (const protocol of DATA_PROTOCOLS) {
        const name = `${protocol}-service`;
        await inStatus(name, 'healthy');
        expect(await asking.get(ServiceDiscovery).discoverService(name, { tags: ['data'] })).toMatchObject({
          baseUrl: `${protocol}://127.0.0.1:${port}`,
          status: 'healthy',
        });
        await expect(asking.get(ServiceCommunicator).callServiceJson(name, { path: '/' })).rejects.toMatchObject({
          code: 'UNSUPPORTED_PROTOCOL',
        });
      }
    });

    it('one that accepts no connection is found unhealthy', async () => {
      await begin();
      const port = await listen(createTcpServer());
      await closeServers();
      await register({ service_name: 'cache', host: '127.0.0.1', port, protocol: 'redis' });
      expect(await inStatus('cache', 'unhealthy')).toMatchObject({
        health: { reason: expect.stringMatching(/refused/) },
      });
    });

    it('a WebSocket service with a health check path is checked over HTTP', async () => {
      await begin();
      const asked: (string | undefined)[] = [];
      const port = await overHttp(({ url }, response) => {
        asked.push(url);
        response.end();
      });
      await register({ service_name: 'chat', host: '127.0.0.1', port, protocol: 'ws', health_check_path: '/live' });
      await inStatus('chat', 'healthy');
      expect(new Set(asked)).toEqual(new Set(['/live']));
    });

    it('an unknown protocol is rejected with a list of the known ones', async () => {
      await begin();
      const { status, body } = await register({ service_name: 'a', host: '127.0.0.1', port: 1, protocol: 'gopher' });
      expect([status, body.error.problems]).toEqual([
        400,
        [{ field: 'protocol', value: 'gopher', expected: expect.stringMatching(/^one of http, https, tcp, .*kafka$/) }],
      ]);
    });
  });

  it('calls to a service that speaks HTTP at some instances use only those', async () => {
    const app = await appWith({ mode: 'memory_only' });
    const port = await overHttp((_request, response) => response.end('{"spoke":"http"}'));
    const tcpPort = await listen(createTcpServer());
    const discovery = app.get(ServiceDiscovery);
    await discovery.registerService({ serviceName: 'mixed', host: '127.0.0.1', port, healthCheckPath: '/' });
    await discovery.registerService({ serviceName: 'mixed', host: '127.0.0.1', port: tcpPort, protocol: 'amqp' });
    const answers = [];
    for (let call = 0; call < 6; call++) {
      answers.push(await app.get(ServiceCommunicator).callServiceJson('mixed', { path: '/' }));
    }
    expect(answers).toEqual(Array.from({ length: 6 }, () => ({ spoke: 'http' })));
    const explained = await send(`${urlOf(app)}/service-discovery/explain/mixed`, 'GET');
    expect(explained.text).toContain('speaks amqp, and calls are HTTP');
  });
});
