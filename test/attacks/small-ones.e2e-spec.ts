import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type INestApplication, Module } from '@nestjs/common';
import {
  MemoryRegistryStore,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  ServiceRegistry,
} from 'nest-service-discovery';
import { type CommunicatorDefaults, RemoteRegistryStore, UndiciTransport } from 'nest-service-discovery/core';
import { DiscoveryMetrics, EventBus } from '../../libs/service-discovery/src/observability/index.js';
import { CalledService } from '../support/called-service.js';
import { printP99 } from '../support/good-clients.js';
import { Apps, inRegistry, urlOf } from '../support/nest-app.js';
import { readPages } from '../support/pages.js';
import { readsOfService } from '../support/routes.js';
import { PLATFORMS, type RestApp, startRestApp } from '../support/rest-app.js';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function listen(listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

describe('calls with what a client sent', () => {
  let store: MemoryRegistryStore;
  let registry: ServiceRegistry;
  let communicator: ServiceCommunicator;
  let bus: EventBus;
  let metrics: DiscoveryMetrics;
  let requests: IncomingMessage[];
  let port: number;
  let status: number;

  beforeEach(async () => {
    [requests, status] = [[], 200];
    port = await listen((request, response) => {
      requests.push(request);
      response.writeHead(status).end('{}');
    });
    store = new MemoryRegistryStore();
    registry = new ServiceRegistry(store);
    await registry.start();
    await registry.register({ serviceName: 'orders', host: '127.0.0.1', port, path: '/v1' }, { heartbeat: 'manual' });
    bus = new EventBus();
    metrics = new DiscoveryMetrics(bus, registry);
    communicator = new ServiceCommunicator({ registry, transport: new UndiciTransport(), events: bus });
  });

  afterEach(async () => {
    metrics.close();
    await communicator.close();
    await registry.close();
    await store.close();
  });

  const call = (path: string, more = {}): Promise<unknown> => communicator.callService('orders', { path, ...more });

  it('repeat a POST for an `idempotency-key` of the calling code, and not for one passed on from a client', async () => {
    status = 503;
    const post = { method: 'POST', body: '{}' };
    await call('/orders', { ...post, headers: { 'idempotency-key': 'from-a-client' } });
    expect(requests).toHaveLength(1);
    await call('/orders', { ...post, idempotencyKey: 'our-own' });
    expect(requests.length).toBeGreaterThan(2);
  });

  it('do not show the value of a header in an error', async () => {
    const error = await call('/', { headers: { authorization: 'Bearer hunter2\r\nx: y' } }).catch(String);
    expect(error).toContain('headers.authorization');
    expect(error).not.toContain('hunter2');
  });

  it.each(['/..%2fadmin', '/%2e%2e%2fadmin', '/files/..%2F..%2Fadmin', '/x%5c..%5cadmin', '/x/..%5Cadmin'])(
    'do not leave the base path by %s',
    async (path) => {
      await expect(call(path)).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
      expect(requests).toEqual([]);
      await call('/files/a%2Fb..c');
      expect(requests.map(({ url }) => url)).toEqual(['/v1/files/a%2Fb..c']);
    },
  );

  it('create no metric series for unknown names, even if a deadline or a limit could end them first', async () => {
    const past = { headers: { 'x-request-deadline': String(Date.now() - 1_000) } };
    const limited = communicator.withOptions({ rateLimit: { rate: 1, per: '1h' }, waitForFirst: false });
    for (let index = 0; index < 20; index++) {
      await communicator.callService(`stranger-${index}`, { path: '/', ...past }).catch(() => undefined);
      await limited.callService(`stranger-${index % 5}`, { path: '/' }).catch(() => undefined);
    }
    await call('/');
    const text = await metrics.metrics();
    expect(text).not.toContain('stranger-');
    expect(text).toContain('service="orders"');
  });

  it('go by the tier that most instances declare, not by that of the first one', async () => {
    const timeoutOf = (): unknown =>
      communicator.describePipeline('users').find(({ stage }) => stage === 'deadline')?.options.timeoutMs;
    const register = (instanceId: string, tier: string): Promise<unknown> =>
      registry.register({ serviceName: 'users', instanceId, host: '127.0.0.1', port, tier }, { heartbeat: 'manual' });
    await register('a-stranger', 'ml');
    for (const id of ['b', 'c', 'd']) await register(id, 'web');
    expect(timeoutOf()).toBe(5_000);
  });
});

it('no example of the docs puts an id into a path without encoding it', async () => {
  const pages = [...(await readPages()).values()].join('\n');
  const paths = pages.match(/`(?:https?:\/\/[^`$/]+)?(?:\/[^`$]*)?\/\$\{[^`]*`/g) ?? [];
  expect(paths.length).toBeGreaterThan(1);
  // A template literal of the types string and number is a type of paths.
  expect(paths.filter((path) => !/^[^$]*\$\{(?:encodeURIComponent\(|string\}|number\})/.test(path))).toEqual([]);
});

describe('a watch on a registry that sends invalid data', () => {
  const frame = (data: unknown): string => `event: change\ndata: ${JSON.stringify(data)}\n\n`;

  it('goes on with the valid instances, and reports the others', async () => {
    const good = { service_name: 'users', instance_id: 'a', host: '10.0.0.7', port: 8080, path: '' };
    const rest = { weight: 100, generation: 1, ttl: 60, registered_at: new Date(0), last_heartbeat: new Date(0) };
    const port = await listen((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const bad = { ...good, ...rest, instance_id: 'bad', port: 'none' };
      response.write(frame({ type: 'reset', revision: 1, instances: [bad, { ...good, ...rest }, null] }));
      response.write(frame({ type: 'put', revision: 2, instance: bad }));
      response.write(frame({ type: 'put', revision: 3, instance: { ...good, ...rest, instance_id: 'b' } }));
    });
    const skipped: unknown[] = [];
    const onBadRecord = (...record: unknown[]): void => void skipped.push(record.slice(0, 2));
    const store = new RemoteRegistryStore({ url: `http://127.0.0.1:${port}` }, { onBadRecord });
    const changes = store.watch({}, new AbortController().signal);
    expect((await changes.next()).value).toMatchObject({ type: 'reset', instances: [{ instanceId: 'a' }] });
    expect((await changes.next()).value).toMatchObject({ type: 'put', instance: { instanceId: 'b' } });
    expect(skipped).toEqual([
      ['users', 'bad'],
      [undefined, undefined],
      ['users', 'bad'],
    ]);
    await store.close();
  });

  it('ends at a line that never ends', async () => {
    const chunk = 'x'.repeat(4_194_304);
    const port = await listen((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: ');
      const write = (): void => {
        while (!response.destroyed && response.write(chunk));
        if (!response.destroyed) response.once('drain', write);
      };
      write();
    });
    const store = new RemoteRegistryStore({ url: `http://127.0.0.1:${port}` });
    const changes = store.watch({}, new AbortController().signal);
    await expect(changes.next()).rejects.toMatchObject({
      code: 'REGISTRY_UNAVAILABLE',
      message: expect.stringContaining('a line is longer'),
    });
    await store.close();
  });
});

describe.each(PLATFORMS)('health data on %s', (platform) => {
  let rest: RestApp;
  afterEach(() => rest.close());

  it('that is nested too deeply is refused with 400, and what looks like a secret is masked under any name', async () => {
    rest = await startRestApp(platform);
    const user = { service_name: 'users', host: '10.0.0.7', port: 8080, instance_id: 'a' };
    await rest.send('POST', '/register', { json: user });
    const put = (data: string): Promise<{ status: number }> =>
      rest.send('PUT', '/services/users/instances/a/health', { raw: `{"status":"healthy","detail":{"data":${data}}}` });
    for (const depth of [34, 400, 1_500]) {
      expect((await put('['.repeat(depth) + ']'.repeat(depth))).status).toBe(400);
    }
    const secrets = [
      'postgres://app:hunter2@db/users',
      'Bearer hunter2hunter2',
      'eyJhbGciOiJIUzI1NiJ9.hunter2.x',
      'AKIAABCDEFGHIJKLMNOP',
    ];
    expect((await put(JSON.stringify({ seen: secrets, plain: 'up since 10:00, http://users/health' }))).status).toBe(
      200,
    );
    const { text } = await rest.send('GET', '/services/users');
    for (const secret of secrets) expect(text).not.toContain(secret);
    expect(text).toContain('up since 10:00, http://users/health');
  });
});

describe('unknown names', () => {
  const QUIET = { healthCheck: false, logging: false } as const;
  const apps = new Apps();
  afterEach(() => apps.close());

  @Module({ imports: [ServiceDiscoveryModule.forRoot(QUIET)] })
  class Registry {}

  /** Names of the maximum length. */
  const unknownNames = (count: number): string[] =>
    Array.from({ length: count }, (_, index) => `stranger-${index}-`.padEnd(128, 'x'));

  async function startFollower(): Promise<{ registry: INestApplication; follower: INestApplication }> {
    const registry = await apps.listen(Registry);
    @Module({ imports: [ServiceDiscoveryModule.forRoot({ ...QUIET, registryUrl: urlOf(registry), follow: 'used' })] })
    class Follower {}
    return { registry, follower: await apps.listen(Follower) };
  }

  /** Registers another instance, and resolves when the follower shows it. */
  async function hearsOfAnother(registry: INestApplication, follower: INestApplication, port: number): Promise<void> {
    const instance = { serviceName: 'users', host: '127.0.0.1', port };
    await registry.get(ServiceRegistry).register(instance, { heartbeat: 'manual' });
    await inRegistry(follower, ({ connected, services }) =>
      connected ? services.get('users')?.find((known) => known.port === port) : undefined,
    );
  }

  describe('a process that follows only the services it uses', () => {
    it('follows no service that an outsider asks its API about, and keeps its registry', async () => {
      const { registry, follower } = await startFollower();
      await follower.get(ServiceDiscovery).discoverService('users');
      await hearsOfAnother(registry, follower, 8001);
      const names = unknownNames(130);
      const paths = names.flatMap((name) => readsOfService(name, 'i'));
      const statuses = await Promise.all(
        paths.map(async (path) => (await fetch(`${urlOf(follower)}/service-discovery${path}`)).status),
      );
      expect(new Set(statuses)).toEqual(new Set([404]));
      await hearsOfAnother(registry, follower, 8002);
      expect(names.filter((name) => follower.get(ServiceRegistry).follows(name))).toEqual([]);
      const { status } = await fetch(`${urlOf(follower)}/service-discovery/services/users`);
      expect(status).toBe(200);
    });

    it('keeps its registry when its own code looks up more names than fit into a URL', async () => {
      const { registry, follower } = await startFollower();
      const discovery = follower.get(ServiceDiscovery);
      await Promise.all(unknownNames(300).map((name) => discovery.discoverService(name)));
      await discovery.discoverService('users');
      await hearsOfAnother(registry, follower, 8001);
      expect(await discovery.discoverService('users')).toMatchObject({ instance: { port: 8001 } });
      for (const name of unknownNames(300)) expect(await discovery.discoverService(name)).toBeNull();
    });
  });
});

describe('limits of one user', () => {
  const ATTACKS = 40;

  describe('a user who is over their own limit', () => {
    let search: CalledService;
    let attempts: number;

    beforeEach(async () => {
      attempts = 0;
      search = await CalledService.start('search', 2, ({ headers }, response) => {
        attempts++;
        response.writeHead(Number(headers['x-answer'] ?? 200)).end('{}');
      });
    });

    afterEach(() => search.close());

    async function attack(communicator: ServiceCommunicator, status: number): Promise<void> {
      for (let call = 0; call < ATTACKS; call++) {
        const { body } = await communicator.callService('search', {
          path: '/',
          headers: { 'x-answer': String(status) },
        });
        await body.dump();
      }
    }
    const communicatorWith = (defaults: CommunicatorDefaults): ServiceCommunicator =>
      new ServiceCommunicator(search, { serviceCircuitBreaker: {}, ...defaults });
    const statesOf = (communicator: ServiceCommunicator): Set<string> =>
      new Set(communicator.circuitBreakers().map(({ state }) => state));

    it.each([408, 429])('cuts off no other user: status %i', async (status) => {
      const communicator = communicatorWith({ retry: false });
      await attack(communicator, status);
      expect(statesOf(communicator)).toEqual(new Set(['closed']));
      expect(communicator.ejections()).toEqual([]);
      expect(await communicator.callServiceJson('search', { path: '/' })).toEqual({});
    });

    it('is retried at another instance', async () => {
      const communicator = communicatorWith({ retry: { maxAttempts: 2, budget: false } });
      await attack(communicator, 429);
      expect(attempts).toBe(2 * ATTACKS);
    });

    it('counts like an overloaded service if `ignoredStatuses` leaves its status out', async () => {
      const communicator = communicatorWith({ retry: false, circuitBreaker: { ignoredStatuses: [408] } });
      await expect(attack(communicator, 429)).rejects.toMatchObject({ code: 'CIRCUIT_OPEN' });
    });
  });
});

describe('failures everywhere', () => {
  const INSTANCES = 4;
  const ATTACKERS = 20;
  const ATTACKS = 2_000;

  describe('a user whose requests fail at every instance', () => {
    let search: CalledService;

    beforeAll(async () => {
      search = await CalledService.start('search', INSTANCES, ({ url }, response) => {
        response.writeHead(url === '/crashes' ? 500 : 200).end('{}');
      });
    });

    afterAll(() => search.close());

    it('opens half of the circuits at most, and other users are answered', async () => {
      const communicator = new ServiceCommunicator(search, { retry: false });
      let attacked = 0;
      const attack = async (): Promise<void> => {
        while (attacked++ < ATTACKS) {
          const { status, body } = await communicator.callService('search', { path: '/crashes' });
          await body.dump();
          expect(status).toBe(500);
        }
      };
      const attackers = Array.from({ length: ATTACKERS }, attack);
      const times: number[] = [];
      while (attacked < ATTACKS) {
        const began = performance.now();
        expect(await communicator.callServiceJson('search', { path: '/' })).toEqual({});
        times.push(performance.now() - began);
      }
      await Promise.all(attackers);
      const open = communicator.circuitBreakers('search').filter(({ state }) => state !== 'closed');
      expect(open).toHaveLength(INSTANCES / 2);
      printP99(`calls beside ${ATTACKS} that fail at every instance`, times);
    });
  });
});
