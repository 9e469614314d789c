import { afterEach, describe, expect, it } from '@jest/globals';
import { type CanActivate, type INestApplication, Module } from '@nestjs/common';
import { Client } from 'undici';
import { ServiceDiscoveryModule, ServiceRegistry, type ServiceDiscoveryOptions } from 'nest-service-discovery';
import { Apps, PLATFORMS, portOf, urlOf } from '../support/nest-app.js';
import { Nginx } from '../support/nginx.js';

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

  it('is kept out by a guard where the proxy leaves no sign', async () => {
    expect(await throughNginx(await start({ guard: refuseAll }), SILENT)).toBe(403);
  });
});
