import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type INestApplication, Module } from '@nestjs/common';
import { ServiceDiscoveryModule, ServiceRegistry } from 'nest-service-discovery';
import { Apps, inRegistry, urlOf } from '../support/nest-app.js';
import { PLATFORMS, type RestApp, type RestAppOptions, startRestApp } from '../support/rest-app.js';

const USER = { service_name: 'users', host: '10.0.0.7', port: 8080, instance_id: 'a' };
const KEY = { serviceName: 'users', instanceId: 'a' };

describe.each(PLATFORMS)('health checks as readers of internal JSON, on %s', (platform) => {
  let rest: RestApp;
  const start = async (options?: RestAppOptions): Promise<RestApp> => (rest = await startRestApp(platform, options));
  afterEach(() => rest.close());

  it('go to the own host and port of an instance, without headers', async () => {
    await start();
    for (const [field, value] of [
      ['port', 9200],
      ['host', 'vault.internal'],
      ['host', '10.0.0.7:9200'],
      ['headers', { 'x-vault-request': 'true' }],
    ] as const) {
      const { status, body } = await rest.send('POST', '/register', {
        json: { ...USER, health_check: { [field]: value } },
      });
      expect([status, body.error.code, body.error.problems.map((problem) => problem.field)]).toEqual([
        400,
        'INVALID_INSTANCE',
        [`health_check.${field}`],
      ]);
      expect(body.error.message).toContain('api.checkTargets');
    }
    const own = { port: 8080, host: '10.0.0.7:8080', path: '/ready' };
    expect((await rest.send('POST', '/register', { json: { ...USER, health_check: own } })).status).toBe(201);
  });

  it('go elsewhere if the registry allows it', async () => {
    await start({ api: { checkTargets: 'any' } });
    const health_check = { port: 9200, host: 'users.internal', headers: { accept: 'application/json' } };
    expect((await rest.send('POST', '/register', { json: { ...USER, health_check } })).status).toBe(201);
  });

  it('show the data that they read only to clients that may write, even if reading is open', async () => {
    await start({ peer: '192.0.2.7', api: { token: 'a-token-of-the-registry', guardReads: false } });
    await rest.registry.register({ ...KEY, host: '10.0.0.7', port: 8080 }, { heartbeat: 'manual' });
    const detail = { checkedAt: rest.clock.epoch(), latencyMs: 3, statusCode: 200, data: { root: 'hunter2' } };
    await rest.registry.setStatus(KEY, 'healthy', { ...detail, flapping: false });
    const paths = ['/services', '/services/healthy', '/services/users', '/discover/users', '/health/aggregated'];
    const headers = { authorization: 'Bearer a-token-of-the-registry' };
    for (const path of paths) {
      const [stranger, honest] = [await rest.send('GET', path), await rest.send('GET', path, { headers })];
      expect([path, stranger.status, stranger.text.includes('hunter2')]).toEqual([path, 200, false]);
      expect([path, honest.status, honest.text.includes('hunter2')]).toEqual([path, 200, true]);
    }
  });
});

describe("the credentials of an operator's health checks", () => {
  const apps = new Apps();
  let servers: Server[];
  let asked: { readonly port: number; readonly headers: IncomingHttpHeaders }[];

  beforeEach(() => {
    [servers, asked] = [[], []];
  });

  afterEach(async () => {
    await apps.close();
    for (const server of servers) server.close();
  });

  const listen = async (): Promise<number> => {
    const server = createServer((request, response) => {
      asked.push({ port: (server.address() as AddressInfo).port, headers: request.headers });
      response.end('{}');
    }).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };

  const checked = (app: INestApplication, instanceId: string): Promise<true> =>
    inRegistry(app, ({ services }) => {
      const all = [...services.values()].flat();
      return all.find((one) => one.instanceId === instanceId)?.status === 'healthy' ? true : undefined;
    });

  it('do not go where an instance leads its check, nor to another service', async () => {
    const healthCheck = {
      interval: '1s',
      services: { users: { headers: { authorization: 'Bearer probe' } } },
    } as const;
    const api = { checkTargets: 'any' } as const;
    @Module({ imports: [ServiceDiscoveryModule.forRoot({ healthCheck, api, logging: false })] })
    class Registry {}
    const app = await apps.listen(Registry);
    const [honest, thief] = [await listen(), await listen()];
    const registry = app.get(ServiceRegistry);
    const body = { host: '127.0.0.1', ttl: 60 };
    for (const json of [
      { ...body, service_name: 'users', instance_id: 'led-away', port: honest, health_check: { port: thief } },
      { ...body, service_name: 'others', instance_id: 'other', port: thief },
      { ...body, service_name: 'users', instance_id: 'honest', port: honest },
    ]) {
      const answer = await fetch(`${urlOf(app)}/service-discovery/register`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(json),
      });
      expect(answer.status).toBe(201);
    }
    await Promise.all(['led-away', 'other', 'honest'].map((id) => checked(app, id)));
    expect(registry.getInstances('users')).toHaveLength(2);
    const credentials = (port: number): unknown[] => [
      ...new Set(asked.filter((one) => one.port === port).map(({ headers }) => headers.authorization)),
    ];
    expect([credentials(honest), credentials(thief)]).toEqual([['Bearer probe'], [undefined]]);
  });
});
