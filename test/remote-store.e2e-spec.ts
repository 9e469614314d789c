import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { inspect } from 'node:util';
import { type CanActivate } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  InvalidConfigurationError,
  type ServiceDiscoveryError,
  systemClock,
} from '../libs/service-discovery/src/common/index.js';
import {
  type Change,
  type EventName,
  type InstanceKey,
  type ServiceInstance,
  toInstance,
} from '../libs/service-discovery/src/model/index.js';
import { EventBus } from '../libs/service-discovery/src/observability/index.js';
import { ServiceRegistry } from '../libs/service-discovery/src/registry/index.js';
import { RemoteRegistryStore, type RemoteRegistryStoreOptions } from '../libs/service-discovery/src/store/index.js';
import { ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { registryStoreContract } from '../libs/service-discovery/src/testing/registry-store-contract.js';
import { PLATFORMS, type RestApp, type RestAppOptions, startRestApp } from './support/rest-app.js';

const KEY: InstanceKey = { serviceName: 'users', instanceId: 'a' };
const instanceOf = (more: Partial<ServiceInstance> = {}): ServiceInstance => ({
  ...toInstance({ ...KEY, host: '127.0.0.1', port: 8080 }, { ttlMs: 10_000, now: 0 }),
  ...more,
});
const LEASE = { ...KEY, generation: 1, ttlMs: 10_000 };

describe.each(PLATFORMS)('RemoteRegistryStore, with a registry on %s', (platform) => {
  registryStoreContract({ describe, it, beforeEach, afterEach }, async () => {
    const rest = await startRestApp(platform, { api: { checkTargets: 'any' } });
    const stores: RemoteRegistryStore[] = [];
    const open = (): RemoteRegistryStore => {
      const store = new RemoteRegistryStore({ url: rest.origin });
      stores.push(store);
      return store;
    };
    return {
      store: open(),
      another: async () => open(),
      advance: (ms) => rest.clock.advanceAsync(ms),
      close: async () => {
        await Promise.all(stores.map((store) => store.close()));
        await rest.close();
      },
    };
  });
});

describe('RemoteRegistryStore and the errors of a registry', () => {
  let rest: RestApp;
  let store: RemoteRegistryStore;
  const start = async (options?: RestAppOptions, remote?: Partial<RemoteRegistryStoreOptions>): Promise<void> => {
    rest = await startRestApp('express', options);
    store = new RemoteRegistryStore({ url: rest.origin, ...remote });
  };
  afterEach(async () => {
    await store.close();
    await rest.close();
  });

  it("rejects with the fields that the registry rejects, under the library's names", async () => {
    await start();
    await expect(store.put(instanceOf({ tags: ['a b'], healthCheckPath: 'x' }), 10_000)).rejects.toMatchObject({
      code: 'INVALID_INSTANCE',
      problems: [
        { path: 'healthCheckPath', value: 'x' },
        { path: 'tags', value: '[list of 1]' },
      ],
    });
  });

  it('rejects with HOST_NOT_ALLOWED for a host that the registry rejects', async () => {
    await start({ api: { allowedHosts: ['10.0.0.0/8'] } });
    await expect(store.put(instanceOf(), 10_000)).rejects.toMatchObject({
      code: 'HOST_NOT_ALLOWED',
      host: '127.0.0.1',
      reason: 'not among the allowed hosts',
    });
  });

  it("reports the guard's message, and is authorized with the right headers", async () => {
    const guard: CanActivate = {
      canActivate: (context) =>
        context.switchToHttp().getRequest<IncomingMessage>().headers.authorization === 'Bearer letmein',
    };
    await start({ api: { guard } });
    for (const act of [() => store.put(instanceOf(), 10_000), () => firstOf(store), () => store.renew([LEASE])]) {
      await expect(act()).rejects.toMatchObject({
        code: 'REGISTRY_UNAVAILABLE',
        message: expect.stringMatching(/403/),
      });
    }
    await store.close();
    store = new RemoteRegistryStore({ url: rest.origin, headers: async () => ({ authorization: 'Bearer letmein' }) });
    await store.put(instanceOf(), 10_000);
    expect(await firstOf(store)).toMatchObject({ type: 'reset', instances: [{ instanceId: 'a' }] });
  });

  it('is authorized with the token of the registry, or the first of several', async () => {
    await start({ peer: '192.0.2.7', api: { token: 'old,new' } }, { token: 'new, newest' });
    await store.put(instanceOf(), 10_000);
    expect(await firstOf(store)).toMatchObject({ type: 'reset', instances: [{ instanceId: 'a' }] });
  });

  it.each<[what: string, remote: Partial<RemoteRegistryStoreOptions>, status: number]>([
    ['without a token', {}, 401],
    ['with a wrong token', { token: 'wr0ng' }, 403],
    ['with an authorization of its own', { token: 'right', headers: { Authorization: 'Bearer wr0ng' } }, 403],
  ])('%s, gets an error that says how to authorize and shows no token', async (_what, remote, status) => {
    await start({ peer: '192.0.2.7', api: { token: 'right' } }, remote);
    for (const act of [() => store.put(instanceOf(), 10_000), () => firstOf(store), () => store.renew([LEASE])]) {
      const error = (await act().catch((thrown: unknown) => thrown)) as ServiceDiscoveryError;
      expect(error.code).toBe('REGISTRY_UNAVAILABLE');
      expect(error.message).toContain(`(status ${status})`);
      expect(error.message).toContain('Set `remote.token` or SERVICE_DISCOVERY_TOKEN');
      expect(inspect(error)).not.toMatch(/wr0ng|'right'/);
    }
  });

  it('sees unmasked metadata, although readers of the API see it masked', async () => {
    await start();
    await store.put(instanceOf({ metadata: { password: 'p' } }), 10_000);
    expect(await firstOf(store)).toMatchObject({ instances: [{ metadata: { password: 'p' } }] });
  });

  it('finds the API below a path and a prefix', async () => {
    await start({ api: { path: 'registry/v1' }, configure: (app) => app.setGlobalPrefix('api') });
    await store.close();
    store = new RemoteRegistryStore({ url: `${rest.origin}/api/`, path: 'registry/v1' });
    expect((await store.put(instanceOf(), 10_000)).generation).toBeGreaterThan(0);
  });

  it('suggests a wrong path if the server is not a registry', async () => {
    await start(undefined, { path: 'elsewhere' });
    for (const act of [() => store.put(instanceOf(), 10_000), () => firstOf(store), () => store.remove(LEASE)]) {
      await expect(act()).rejects.toMatchObject({
        code: 'REGISTRY_UNAVAILABLE',
        message: expect.stringMatching(
          /\/elsewhere answered with status 404.*is the path right\? A global prefix .* http:\/\/host:3000\/api\. See \S+#REGISTRY_UNAVAILABLE$/,
        ),
      });
    }
  });

  it('says which part of its URL is too much if that ends in the path of the API', async () => {
    await start();
    await store.close();
    store = new RemoteRegistryStore({ url: `${rest.origin}/service-discovery` });
    for (const act of [() => store.put(instanceOf(), 10_000), () => firstOf(store)]) {
      await expect(act()).rejects.toMatchObject({
        code: 'REGISTRY_UNAVAILABLE',
        message: expect.stringMatching(
          /status 404, and not as a registry does: leave out \/service-discovery at the end/,
        ),
      });
    }
  });

  it('renews thousands of leases', async () => {
    await start();
    const lease = await store.put(instanceOf(), 10_000);
    const leases = Array.from({ length: 12_001 }, (_, index) =>
      index === 7_000 ? lease : { ...lease, generation: 1 },
    );
    const held = await store.renew(leases);
    expect([held.length, held.filter(Boolean).length, held[7_000]]).toEqual([12_001, 1, true]);
  });

  it('lists every invalid option', () => {
    const wrong = { url: 'ftp://x', path: '/x/', token: 'a,', headers: { a: 1 }, requestTimeout: 0 } as never;
    expect(() => new RemoteRegistryStore(wrong)).toThrow(InvalidConfigurationError);
    expect(() => new RemoteRegistryStore(wrong)).toThrow(/url[^]*path[^]*token[^]*headers[^]*requestTimeout/);
    expect(() => new RemoteRegistryStore({ url: 'http://user:pass@registry:3000' })).toThrow(/url/);
  });
});

describe('RemoteRegistryStore and a failing registry', () => {
  let server: Server;
  let sockets: Set<Socket>;
  let url: string;
  let clock: ManualClock;
  let store: RemoteRegistryStore;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;

  beforeEach(async () => {
    sockets = new Set();
    server = createServer((request, response) => answer(request, response));
    server.on('connection', (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    clock = new ManualClock();
    store = new RemoteRegistryStore({ url, requestTimeout: '2s' }, { clock });
  });
  afterEach(async () => {
    await store.close();
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  });

  /** Answers every request with this, and resolves when the first one has arrived. */
  const answering = (by: typeof answer): Promise<ServerResponse> =>
    new Promise((resolve) => {
      answer = (request, response) => {
        by(request, response);
        resolve(response);
      };
    });
  const EVENTS = { 'content-type': 'text/event-stream' };
  const RESET = 'event: change\ndata: {"type":"reset","revision":1,"instances":[]}\n\n';
  const unavailable = (message: RegExp): object => ({
    code: 'REGISTRY_UNAVAILABLE',
    message: expect.stringMatching(message),
  });

  it('names the address of the registry when the connection is refused', async () => {
    server.close();
    await once(server, 'close');
    const acts = [
      () => store.put(instanceOf(), 10_000),
      () => store.renew([LEASE]),
      () => store.remove(LEASE),
      () => store.setStatus(KEY, 'up'),
      () => store.setStatus(KEY, 'healthy'),
      () => firstOf(store),
    ];
    for (const act of acts) await expect(act()).rejects.toMatchObject(unavailable(/127\.0\.0\.1:\d+.*ECONNREFUSED/));
    expect(clock.pendingTimers).toBe(0);
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['never answers', () => undefined],
    ['stops in the middle of its response', (response) => response.writeHead(201).write('{"generation":')],
  ])('gives up after the request timeout when the registry %s', async (_what, by) => {
    const came = answering((_request, response) => by(response));
    const put = store.put(instanceOf(), 10_000);
    put.catch(() => undefined);
    const response = await came;
    const hungUp = once(response, 'close');
    await clock.advanceAsync(2_000);
    await expect(put).rejects.toMatchObject(unavailable(/did not answer within 2 s/));
    await hungUp;
  });

  it('gives up after the request timeout when a watch does not open', async () => {
    const came = answering(() => undefined);
    const first = firstOf(store);
    first.catch(() => undefined);
    await came;
    await clock.advanceAsync(2_000);
    await expect(first).rejects.toMatchObject(unavailable(/did not answer within 2 s/));
    expect(clock.pendingTimers).toBe(0);
  });

  it('treats 25 s of silence on a watch as a loss', async () => {
    const came = answering((_request, response) => response.writeHead(200, EVENTS).write(RESET));
    const watch = store.watch({}, new AbortController().signal);
    expect((await watch.next()).value).toMatchObject({ type: 'reset' });
    const next = watch.next();
    next.catch(() => undefined);
    const hungUp = once(await came, 'close');
    await clock.advanceAsync(25_000);
    await expect(next).rejects.toMatchObject(unavailable(/lost: it was silent for 25 s/));
    await hungUp;
    expect(clock.pendingTimers).toBe(0);
  });

  it('keeps a watch that receives pings', async () => {
    const came = answering((_request, response) => response.writeHead(200, EVENTS).write(RESET));
    const watch = store.watch({}, new AbortController().signal);
    await watch.next();
    const next = watch.next();
    const response = await came;
    for (let ping = 0; ping < 3; ping++) {
      await clock.advanceAsync(24_999);
      // The timer is restarted when the ping arrives; only the store itself knows when that is.
      const armed = new Promise<void>((resolve) => {
        const setTimer = clock.setTimer.bind(clock);
        clock.setTimer = (fn, ms) => {
          clock.setTimer = setTimer;
          resolve();
          return setTimer(fn, ms);
        };
      });
      response.write(': ping\n\n');
      await armed;
    }
    response.write(RESET);
    expect((await next).value).toMatchObject({ type: 'reset' });
    await watch.return();
  });

  it.each<[string, (response: ServerResponse) => void, RegExp]>([
    ['ends', (response) => response.end(), /the registry ended it/],
    ['is cut off', (response) => response.destroy(), /lost: /],
    ['sends invalid JSON', (response) => response.write('event: change\ndata: {oops\n\n'), /lost: .*JSON/],
    [
      'sends an invalid change',
      (response) => response.write('event: change\ndata: {"type":"reset"}\n\n'),
      /lost: expected a number/,
    ],
  ])('throws from a watch that %s', async (_what, by, message) => {
    const came = answering((_request, response) => response.writeHead(200, EVENTS).write(RESET));
    const watch = store.watch({}, new AbortController().signal);
    await watch.next();
    by(await came);
    await expect(watch.next()).rejects.toMatchObject(unavailable(message));
    expect(clock.pendingTimers).toBe(0);
  });

  it('ignores events and changes that only newer registries know', async () => {
    const news = 'event: news\ndata: {}\n\nevent: change\ndata: {"type":"archived","revision":2}\n\n';
    answer = (_request, response) => response.writeHead(200, EVENTS).end(news + RESET);
    expect(await firstOf(store)).toMatchObject({ type: 'reset', revision: 1 });
  });

  it('rejects a watch that is answered with an HTML page', async () => {
    answer = (_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Welcome</p>');
    await expect(firstOf(store)).rejects.toMatchObject(unavailable(/is the path right/));
    await expect(store.put(instanceOf(), 10_000)).rejects.toMatchObject(unavailable(/is the path right/));
    await expect(store.renew([LEASE])).rejects.toMatchObject(unavailable(/is the path right/));
  });

  it('does not follow redirects', async () => {
    answer = (_request, response) => response.writeHead(307, { location: 'http://169.254.169.254/' }).end();
    await expect(store.put(instanceOf(), 10_000)).rejects.toMatchObject(unavailable(/status 307/));
  });

  it('rejects when the headers function fails', async () => {
    const failing = new RemoteRegistryStore({ url, headers: () => Promise.reject(new Error('no token')) }, { clock });
    await expect(failing.put(instanceOf(), 10_000)).rejects.toMatchObject(unavailable(/no token/));
    await failing.close();
  });

  it('close() aborts requests in flight and leaves no socket', async () => {
    answer = (request, response) => {
      if (request.url?.endsWith('/watch')) response.writeHead(200, EVENTS).write(RESET);
      else if (request.method === 'DELETE') response.writeHead(204).end();
    };
    const watch = store.watch({}, new AbortController().signal);
    await watch.next();
    const change = watch.next();
    await store.remove(LEASE);
    const put = store.put(instanceOf(), 10_000);
    put.catch(() => undefined);
    await once(server, 'request');
    expect(sockets.size).toBeGreaterThan(1);
    const closed = [...sockets].map((socket) => once(socket, 'close'));
    await store.close();
    await Promise.all(closed);
    expect(sockets.size).toBe(0);
    await expect(put).rejects.toMatchObject(unavailable(/closed/));
    expect((await change).done).toBe(true);
    expect(clock.pendingTimers).toBe(0);
    await expect(store.put(instanceOf(), 10_000)).rejects.toMatchObject(unavailable(/closed/));
    for await (const _change of store.watch({}, new AbortController().signal)) throw new Error('unreachable');
    await store.close();
  });
});

describe('ServiceRegistry over RemoteRegistryStore', () => {
  let primary: RestApp;
  let store: RemoteRegistryStore;
  let bus: EventBus;
  let registry: ServiceRegistry;

  beforeEach(async () => {
    primary = await startRestApp('express', { clock: systemClock });
    store = new RemoteRegistryStore({ url: primary.origin });
    bus = new EventBus();
    registry = new ServiceRegistry(store, {}, { events: bus });
    await registry.start();
  });
  afterEach(async () => {
    await registry.close();
    await store.close();
    await primary.close();
  });

  const happens = (name: EventName): Promise<void> =>
    new Promise((resolve) => {
      const stop = bus.on(name, () => {
        stop();
        resolve();
      });
    });
  const until = (of: ServiceRegistry, holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const stop = of.onChange(() => check());
      const check = (): void => {
        if (!holds()) return;
        stop();
        resolve();
      };
      check();
    });
  /** Like a process that is killed, without a shutdown. */
  const kill = async (app: RestApp): Promise<void> => {
    const closing = app.close();
    (app.app.getHttpServer() as Server).closeAllConnections();
    await closing;
  };

  it('keeps its instances while the registry is unreachable, and registers again when it is back', async () => {
    await registry.register({ serviceName: 'users', host: '127.0.0.1', port: 8080, instanceId: 'a' });
    await registry.register({ serviceName: 'users', host: '127.0.0.1', port: 8081, instanceId: 'b' });
    await registry.setStatus({ serviceName: 'users', instanceId: 'b' }, 'maintenance');
    const lost = happens('registry.unavailable');
    await kill(primary);
    await lost;
    expect(registry.snapshot.connected).toBe(false);
    expect(registry.getInstances('users').map(({ instanceId }) => instanceId)).toEqual(['a', 'b']);
    const refused = registry.register({ serviceName: 'users', host: '127.0.0.1', port: 8082 });
    await expect(refused).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });

    const back = happens('registry.available');
    primary = await startRestApp('express', { clock: systemClock, port: primary.port });
    await back;
    const shown = (id: string): ServiceInstance | undefined =>
      primary.registry.getInstance({ serviceName: 'users', instanceId: id });
    await until(primary.registry, () => shown('a') !== undefined && shown('b')?.status === 'maintenance');
    await until(registry, () => registry.getInstances('users').length === 2);
  });

  it('sees what others register, and others see what it registers', async () => {
    const other = new RemoteRegistryStore({ url: primary.origin });
    const reader = new ServiceRegistry(other);
    await reader.start();
    const { lease } = await registry.register({ serviceName: 'users', host: '127.0.0.1', port: 8080 });
    await until(reader, () => reader.getInstances('users').length === 1);
    expect(await reader.heartbeat(lease)).toBe(true);
    await registry.drainOwn();
    await until(reader, () => reader.getInstances('users')[0]?.status === 'draining');
    await registry.deregisterOwn();
    await until(reader, () => reader.getInstances('users').length === 0);
    await reader.close();
    await other.close();
  });

  it('reports over REST that the registry has not answered yet, instead of an empty list', async () => {
    await kill(primary);
    const unanswered = new RemoteRegistryStore({ url: primary.origin });
    const secondary = await startRestApp('express', { store: unanswered, startTimeout: 0, clock: systemClock });
    for (const path of ['/services', '/services/healthy', '/services/users', '/discover/users']) {
      const { status, body } = await secondary.send('GET', path);
      expect([path, status, body.error.code]).toEqual([path, 503, 'REGISTRY_UNAVAILABLE']);
    }
    await secondary.close();
    primary = await startRestApp('express');
  });

  it.each(PLATFORMS)('serves the same REST API again, on %s', async (platform) => {
    const secondary = await startRestApp(platform, { store: new RemoteRegistryStore({ url: primary.origin }) });
    const json = { service_name: 'users', host: '10.0.0.7', port: 8080, instance_id: 'a' };
    expect((await secondary.send('POST', '/register', { json })).status).toBe(201);
    expect((await secondary.send('POST', '/register', { json })).status).toBe(200);
    expect((await primary.send('GET', '/discover/users')).body.instance_id).toBe('a');
    const refused = await secondary.send('POST', '/register', { json: { ...json, host: '169.254.169.254' } });
    expect(refused.body.error.code).toBe('HOST_NOT_ALLOWED');

    const lost = until(secondary.registry, () => !secondary.registry.snapshot.connected);
    await kill(primary);
    await lost;
    const away = await secondary.send('POST', '/register', { json });
    expect([away.status, away.body.error.code, away.headers['retry-after']]).toEqual([
      503,
      'REGISTRY_UNAVAILABLE',
      '1',
    ]);
    expect((await secondary.send('GET', '/discover/users')).body.instance_id).toBe('a');
    await secondary.close();
    primary = await startRestApp('express');
  });
});

/** The first change of a new watch. */
async function firstOf(store: RemoteRegistryStore): Promise<Change | undefined> {
  for await (const change of store.watch({}, new AbortController().signal)) return change;
  return undefined;
}
