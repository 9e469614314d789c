import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type CanActivate, type INestApplication, Module } from '@nestjs/common';
import {
  getServiceDiscoveryConfig,
  InvalidConfigurationError,
  ServiceDiscoveryModule,
  type ServiceDiscoveryOptions,
  ServiceRegistry,
} from 'nest-service-discovery';
import { Client } from 'undici';
import { Apps, PLATFORMS, portOf, urlOf } from '../support/nest-app.js';
import { Nginx } from '../support/nginx.js';

const guard: CanActivate = { canActivate: () => false };

describe.each(PLATFORMS)('an API that strangers reach in production, on %s', (platform, adapter) => {
  const apps = new Apps();
  let outside: NodeJS.ProcessEnv;
  beforeEach(() => {
    outside = process.env;
    process.env = { ...outside };
  });
  afterEach(async () => {
    await apps.close();
    process.env = outside;
  });

  function create(options: ServiceDiscoveryOptions = {}): Promise<INestApplication> {
    const all = { preset: 'production', mode: 'memory_only', logging: false, ...options } as const;
    @Module({ imports: [ServiceDiscoveryModule.forRoot(all)] })
    class AppModule {}
    return apps.create(AppModule, adapter);
  }

  it('keeps the app from listening without a credential, and names the ways out', async () => {
    const app = await create();
    const failure: unknown = await app.listen(0, '0.0.0.0').catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(InvalidConfigurationError);
    const { message } = failure as Error;
    expect(message).toContain('api.token: expected SERVICE_DISCOVERY_TOKEN, api.access or api.guard');
    const [, port] = /reach at 0\.0\.0\.0, port (\d+) \(preset production\)/.exec(message)!;
    expect(message).toMatch(/api: false, or listen on 127\.0\.0\.1/);
    const [refused] = (await once(connect(Number(port), '127.0.0.1'), 'error')) as [NodeJS.ErrnoException];
    expect(refused.code).toBe('ECONNREFUSED');
  });

  it('keeps the app from listening on all addresses without a host, and with changes of the preset', async () => {
    const app = await create({ ...getServiceDiscoveryConfig('production'), serviceTtl: '45s' });
    // Without a host, Fastify listens on localhost, where it may.
    const host = platform === 'Express' ? [] : ['::'];
    let called = false;
    await expect(app.listen(0, ...(host as [string]), () => (called = true))).rejects.toThrow(
      /SERVICE_DISCOVERY_TOKEN/,
    );
    expect(called).toBe(false);
  });

  it.each<[string, ServiceDiscoveryOptions]>([
    ['a token', { api: { token: 'secret' } }],
    ['a guard', { api: { guard } }],
    ['no API', { api: false }],
    ['another preset', { preset: 'staging' }],
  ])('is no obstacle with %s', async (_what, options) => {
    const app = await create(options);
    await app.listen(0, '0.0.0.0');
    expect(portOf(app)).toBeGreaterThan(0);
  });

  it('is no obstacle with SERVICE_DISCOVERY_TOKEN', async () => {
    process.env.SERVICE_DISCOVERY_TOKEN = 'secret';
    const app = await create();
    await app.listen(0, '0.0.0.0');
    const response = await fetch(`http://127.0.0.1:${portOf(app)}/service-discovery/services`, {
      headers: { authorization: 'Bearer secret', 'x-forwarded-for': '192.0.2.7' },
    });
    expect(response.status).toBe(200);
  });

  it('is no obstacle on the loopback address', async () => {
    const app = await create();
    await app.listen(0, '127.0.0.1');
    expect(portOf(app)).toBeGreaterThan(0);
  });

  it('does not hide the error of an address in use', async () => {
    const first = await create({ api: false });
    await first.listen(0, '0.0.0.0');
    const second = await create();
    await expect(second.listen(portOf(first), '0.0.0.0')).rejects.toThrow(/EADDRINUSE/);
  });
});

describe('a proxy on this machine', () => {
  /** Configurations with which strangers reach the registry, the first one being what nginx does by itself. */
  const CONFIGURATIONS: readonly (readonly [name: string, host: string, directives: string])[] = [
    ['nginx as it comes', 'localhost', ''],
    ['nginx that hands on the Host', 'localhost', 'proxy_set_header Host $http_host;'],
    [
      'nginx that keeps connections and tells of the client',
      'localhost',
      'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Forwarded-For $remote_addr;',
    ],
    [
      'nginx that keeps connections and tells of a port alone',
      'localhost',
      'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header X-Forwarded-Port 443;',
    ],
    [
      'nginx that keeps connections and hands on the Host, asked by its own name',
      'shop.example',
      'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;',
    ],
  ];
  /** Nothing tells these requests from those of a program on this machine. */
  const SILENT = 'proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;';

  const refuseAll: CanActivate = { canActivate: () => false };

  describe.each(PLATFORMS)('a stranger who comes through a proxy on this machine, on %s', (_name, adapter) => {
    const apps = new Apps();
    const stops: (() => Promise<unknown>)[] = [];

    afterEach(async () => {
      for (const stop of stops.splice(0).reverse()) await stop();
      await apps.close();
    });

    function start(api?: ServiceDiscoveryOptions['api']): Promise<INestApplication> {
      class Registry {}
      Module({ imports: [ServiceDiscoveryModule.forRoot({ healthCheck: false, logging: false, api })] })(Registry);
      return apps.listen(Registry, adapter);
    }

    async function register(client: Client, service: string, host: string): Promise<number> {
      stops.push(() => client.close());
      const { statusCode, body } = await client.request({
        path: '/service-discovery/register',
        method: 'POST',
        headers: { 'content-type': 'application/json', host },
        body: JSON.stringify({ service_name: service, host: '127.0.0.1', port: 8_000 }),
      });
      await body.dump();
      return statusCode;
    }

    async function throughNginx(app: INestApplication, directives: string, host = 'localhost'): Promise<number> {
      const nginx = await Nginx.start(portOf(app), directives);
      stops.push(() => nginx.stop());
      return register(new Client('http://localhost', { socketPath: nginx.socketPath }), 'stolen', host);
    }

    it.each(CONFIGURATIONS)('cannot register: %s', async (_case, host, directives) => {
      const app = await start();
      expect(await throughNginx(app, directives, host)).toBe(403);
      expect(await register(new Client(urlOf(app)), 'honest', 'localhost')).toBe(201);
      expect([...app.get(ServiceRegistry).snapshot.services.keys()]).toEqual(['honest']);
    });

    it('is kept out by a guard if the proxy cannot be detected', async () => {
      expect(await throughNginx(await start({ guard: refuseAll }), SILENT)).toBe(403);
    });
  });
});
