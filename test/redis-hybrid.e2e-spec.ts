import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type INestApplication, Module, type Type } from '@nestjs/common';
import {
  DiscoverableService,
  EventBus,
  type EventName,
  ServiceCommunicator,
  ServiceDiscovery,
  ServiceDiscoveryModule,
  type ServiceInstance,
  ServiceRegistry,
} from 'nest-service-discovery';
import { RedisRegistryStore, systemClock } from 'nest-service-discovery/core';
import { Apps, inRegistry, registered, urlOf } from './support/nest-app.js';
import { RedisServer } from './support/redis-server.js';
import { send } from './support/rest-app.js';
import { TcpLink } from './support/tcp-link.js';
import { report } from './support/timing.js';

const apps = new Apps();
let toClose: (() => Promise<unknown>)[];

beforeEach(() => {
  toClose = [];
});
afterEach(async () => {
  await apps.close();
  for (const close of toClose.reverse()) await close();
});

async function startRedis(args: readonly string[] = []): Promise<RedisServer> {
  const redis = await RedisServer.start({ args });
  toClose.push(() => redis.stop());
  return redis;
}

async function linkTo(redis: RedisServer): Promise<TcpLink> {
  const link = await TcpLink.to(redis.port);
  toClose.push(() => link.close());
  return link;
}

/** A process: a registry with its own store. */
class Process {
  readonly bus = new EventBus();
  readonly registry: ServiceRegistry;

  /** How far the clock of this process is ahead. */
  private aheadMs = 0;

  private constructor(port: number, maxOfflineWrites: number) {
    const store = new RedisRegistryStore({ url: `redis://127.0.0.1:${port}` });
    const options = { heartbeatInterval: '500ms', startTimeout: '1s', maxOfflineWrites } as const;
    const clock = { ...systemClock, now: () => systemClock.now() + this.aheadMs };
    this.registry = new ServiceRegistry(store, options, { events: this.bus, clock });
    toClose.push(async () => {
      await this.registry.close();
      await store.close();
    });
  }

  static async start(port: number, maxOfflineWrites = 10_000): Promise<Process> {
    const process = new Process(port, maxOfflineWrites);
    await process.registry.start();
    return process;
  }

  register(instanceId: string, port = 8080): Promise<unknown> {
    return this.registry.register({ serviceName: 'users', instanceId, host: '127.0.0.1', port });
  }

  get view(): string[] {
    return this.registry.getInstances('users').map(describeInstance).sort();
  }

  /** Makes the past of this process older by that much. */
  age(ms: number): void {
    this.aheadMs += ms;
  }

  next(name: EventName): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.bus.on(name, () => {
        stop();
        resolve();
      });
    });
  }

  /** Resolves when it shows this, now or after a change. */
  showing(...wanted: string[]): Promise<void> {
    const text = [...wanted].sort().join(' ');
    return this.until(() => this.view.join(' ') === text);
  }

  /** Resolves when it has noticed that it cannot reach Redis, now or later. */
  cutOff(): Promise<void> {
    return this.until(() => !this.registry.snapshot.connected);
  }

  private until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!holds()) return;
        stop();
        resolve();
      };
      const stop = this.registry.onChange(check);
      check();
    });
  }
}

const describeInstance = ({ instanceId, operatorStatus, port }: ServiceInstance): string =>
  [instanceId, ...(operatorStatus === 'up' ? [] : [operatorStatus]), ...(port === 8080 ? [] : [port])].join(':');
const keyed = (instanceId: string) => ({ serviceName: 'users', instanceId });

async function kill(redis: RedisServer, ...processes: Process[]): Promise<void> {
  await redis.kill();
  await Promise.all(processes.map((process) => process.cutOff()));
}

const WITH_MEMORY = ['--appendonly', 'yes', '--appendfsync', 'always'];

describe.each<[string, string[]]>([
  ['with its data', WITH_MEMORY],
  ['without its data', []],
])('a Redis that is killed and comes back %s', (how, args) => {
  it('reconciles the changes on both sides, and all processes see the same', async () => {
    const redis = await startRedis(args);
    const [one, two] = [await Process.start(redis.port), await Process.start(redis.port)];
    for (const id of ['a1', 'a2', 'a3']) await one.register(id);
    for (const id of ['b1', 'b2', 'b3']) await two.register(id);
    await Promise.all([one, two].map((process) => process.showing('a1', 'a2', 'a3', 'b1', 'b2', 'b3')));
    await kill(redis, one, two);

    await one.register('a4');
    await one.register('a5');
    expect(await one.registry.deregister(keyed('a2'))).toBe(true);
    expect(await one.registry.deregister(keyed('a5'))).toBe(true);
    expect(await one.registry.setStatus(keyed('a1'), 'maintenance')).toBe(true);
    expect(one.view).toEqual(['a1:maintenance', 'a3', 'a4', 'b1', 'b2', 'b3']);
    await two.register('b4');
    await two.register('b3', 9090);
    expect(await two.registry.deregister(keyed('b2'))).toBe(true);
    expect(await two.registry.setStatus(keyed('b4'), 'maintenance')).toBe(true);
    expect(two.view).toEqual(['a1', 'a2', 'a3', 'b1', 'b3:9090', 'b4:maintenance']);
    expect([one, two].map(({ registry }) => registry.snapshot.connected)).toEqual([false, false]);

    // A process never sees its own changes undone.
    const regressions: string[] = [];
    one.registry.onChange(() => {
      if (one.view.includes('a2') || one.view.includes('a1') || !one.view.includes('a4'))
        regressions.push(one.view.join());
    });
    const reconciled = Promise.all([one, two].map((process) => process.next('registry.reconciled')));
    const began = systemClock.now();
    await redis.startAgain();
    await reconciled;
    const expected = ['a1:maintenance', 'a3', 'a4', 'b1', 'b3:9090', 'b4:maintenance'];
    const fresh = await Process.start(redis.port);
    await Promise.all([one, two, fresh].map((process) => process.showing(...expected)));
    report(`SIGKILL and return ${how}: all views equal after ${Math.round(systemClock.now() - began)} ms`);
    expect((await redis.client().hkeys('sd:{default:users}:states')).sort()).toEqual([
      'a1',
      'a3',
      'a4',
      'b1',
      'b3',
      'b4',
    ]);
    // The status of an instance that had to be registered again is set after that by its owner.
    if (how === 'with its data') expect(regressions).toEqual([]);
    expect([one, two].map(({ registry }) => registry.offlineWrites)).toEqual([0, 0]);
  });
});

describe('a single process cut off from Redis', () => {
  it('leaves newer registrations made elsewhere alone', async () => {
    const redis = await startRedis();
    const link = await linkTo(redis);
    const [one, two] = [await Process.start(link.port), await Process.start(redis.port)];
    for (const id of ['a', 'b', 'c']) await one.register(id, 1);
    await two.showing('a:1', 'b:1', 'c:1');
    link.cut();
    await one.cutOff();
    await one.register('a', 2);
    await one.registry.deregister(keyed('b'));
    await one.registry.setStatus(keyed('c'), 'maintenance');
    await one.register('d', 2);
    expect(one.view).toEqual(['a:2', 'c:maintenance:1', 'd:2']);
    for (const id of ['a', 'b', 'c', 'd']) await two.register(id, 9);

    const outcome = new Promise((resolve) => one.bus.on('registry.reconciled', resolve));
    link.heal();
    expect(await outcome).toMatchObject({ applied: 0, superseded: 4, gone: 0, expired: 0 });
    await Promise.all([one, two].map((process) => process.showing('a:9', 'b:9', 'c:9', 'd:9')));
    expect(await one.registry.deregister(keyed('a'))).toBe(false);
    expect(two.view).toEqual(['a:9', 'b:9', 'c:9', 'd:9']);
  });

  it('takes over the id of a registration that was made elsewhere before its own', async () => {
    const redis = await startRedis();
    const link = await linkTo(redis);
    const [one, two] = [await Process.start(link.port), await Process.start(redis.port)];
    link.cut();
    await one.cutOff();
    const store = new RedisRegistryStore({ url: redis.url });
    toClose.push(() => store.close());
    const earlier = (await store.generationNow()) - 10_000_000;
    const elsewhere = { serviceName: 'users', instanceId: 'a', host: '127.0.0.1', port: 1 };
    await two.registry.register(elsewhere, { claim: earlier });
    await one.register('a', 2);
    link.heal();
    await Promise.all([one, two].map((process) => process.showing('a:2')));
  });

  it('applies its changes to a Redis that was flushed in the meantime', async () => {
    const redis = await startRedis();
    const link = await linkTo(redis);
    const [one, two] = [await Process.start(link.port), await Process.start(redis.port)];
    await one.register('a');
    await one.register('b');
    await two.register('c');
    await one.showing('a', 'b', 'c');
    link.cut();
    await one.cutOff();
    await one.register('d');
    await one.registry.deregister(keyed('b'));
    await redis.flush();
    await two.next('lease.recovered');
    link.heal();
    const fresh = await Process.start(redis.port);
    await Promise.all([one, fresh].map((process) => process.showing('a', 'c', 'd')));
  });
});

describe('two processes that register one id while Redis is unreachable', () => {
  it.each<[string, 0 | 1]>([
    ['older', 0],
    ['newer', 1],
  ])('leave it to the newer registration if the %s one is sent first', async (_which, first) => {
    const redis = await startRedis();
    const links = [await linkTo(redis), await linkTo(redis)] as const;
    const [older, newer] = [await Process.start(links[0].port), await Process.start(links[1].port)];
    for (const link of links) link.cut();
    await Promise.all([older, newer].map((process) => process.cutOff()));
    await older.register('a', 1);
    older.age(10_000);
    await newer.register('a', 2);
    expect([older.view, newer.view]).toEqual([['a:1'], ['a:2']]);

    const processes = [older, newer] as const;
    const reconciled = processes[first].next('registry.reconciled');
    links[first].heal();
    await reconciled;
    links[1 - first]!.heal();
    const fresh = await Process.start(redis.port);
    await Promise.all([older, newer, fresh].map((process) => process.showing('a:2')));
  });
});

describe('an instance deregistered while Redis is unreachable', () => {
  it('disappears for others as deregistered when Redis returns without its data', async () => {
    const redis = await startRedis();
    const [one, two] = [await Process.start(redis.port), await Process.start(redis.port)];
    await one.register('a');
    await two.register('b');
    await Promise.all([one, two].map((process) => process.showing('a', 'b')));
    await kill(redis, one, two);
    expect(await one.registry.deregister(keyed('a'))).toBe(true);
    const reasons: EventName[] = [];
    for (const name of ['instance.expired', 'instance.deregistered'] as const)
      two.bus.on(name, () => reasons.push(name));
    const gone = two.showing('b');
    const began = systemClock.now();
    await redis.startAgain();
    await gone;
    report(`deregistered while Redis was away: gone elsewhere after ${Math.round(systemClock.now() - began)} ms`);
    // Not at the end of its grace period.
    expect(reasons).toEqual(['instance.deregistered']);
  });
});

it('rejects changes beyond the limit while Redis is unreachable, and says so', async () => {
  const redis = await startRedis();
  const one = await Process.start(redis.port, 2);
  await kill(redis, one);
  await one.register('a');
  await one.register('b');
  await expect(one.register('c')).rejects.toMatchObject({
    code: 'REGISTRY_UNAVAILABLE',
    message: expect.stringMatching(/2 changes are waiting for it, the limit set by maxOfflineWrites/),
  });
  expect(one.view).toEqual(['a', 'b']);
  const reconciled = one.next('registry.reconciled');
  await redis.startAgain();
  await reconciled;
  await one.register('c');
  await (await Process.start(redis.port)).showing('a', 'b', 'c');
});

describe('an app in hybrid mode', () => {
  async function startBackend(): Promise<number> {
    const server: Server = createServer((_request, response) => response.end('{"name":"Ada"}')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    toClose.push(async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    });
    return (server.address() as AddressInfo).port;
  }

  function moduleFor(url: string, name: string): Type {
    @DiscoverableService({ name })
    @Module({
      imports: [
        ServiceDiscoveryModule.forRoot({
          mode: 'hybrid',
          redis: { url },
          startTimeout: '200ms',
          // Longer than a slow machine takes: an instance whose check timed out is not discovered.
          healthCheck: { interval: '10s', timeout: '10s' },
          logging: false,
        }),
      ],
    })
    class AppModule {}
    return AppModule;
  }

  const healthy = (app: INestApplication, service: string): Promise<ServiceInstance> =>
    inRegistry(app, ({ services }) => services.get(service)?.find(({ status }) => status === 'healthy'));

  it('starts, checks and calls without Redis, and joins the others when it is available', async () => {
    const redis = await startRedis();
    await redis.kill();
    const [one, two] = [
      await apps.listen(moduleFor(redis.url, 'orders')),
      await apps.listen(moduleFor(redis.url, 'stock')),
    ];
    const port = await startBackend();
    await one.get(ServiceDiscovery).registerService({ serviceName: 'users', host: '127.0.0.1', port });
    const call = (app: INestApplication): Promise<unknown> =>
      app.get(ServiceCommunicator).callServiceJson('users', { path: '/' });
    expect(await call(one)).toEqual({ name: 'Ada' });
    await expect(call(two)).rejects.toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
    await Promise.all([healthy(one, 'orders'), healthy(one, 'users'), healthy(two, 'stock')]);

    const rest = `${urlOf(one)}/service-discovery`;
    const legacy = { service_name: 'legacy', host: '127.0.0.1', port, instance_id: 'l1' };
    const answer = await send(`${rest}/register`, 'POST', { json: legacy });
    expect([answer.status, answer.headers.age]).toEqual([201, expect.stringMatching(/^\d+$/)]);
    expect(Object.keys(answer.body).sort()).toEqual([
      'base_url',
      'generation',
      'instance_id',
      'lease',
      'service_name',
      'status',
      'ttl',
    ]);
    const beat = await send(`${rest}/services/legacy/instances/l1/heartbeat`, 'PUT', {
      json: { generation: answer.body.generation },
    });
    expect(beat.status).toBe(200);
    const found = await send(`${rest}/discover/legacy`, 'GET');
    expect([found.status, found.headers.age]).toEqual([200, expect.stringMatching(/^\d+$/)]);

    const began = systemClock.now();
    await redis.startAgain();
    await Promise.all(
      [one, two].flatMap((app) => ['orders', 'stock', 'users', 'legacy'].map((name) => registered(app, name))),
    );
    report(
      `First start without Redis: both apps see everything ${Math.round(systemClock.now() - began)} ms after it came`,
    );
    expect(await call(two)).toEqual({ name: 'Ada' });
    expect((await send(`${rest}/discover/legacy`, 'GET')).headers.age).toBeUndefined();
    const late = await send(`${rest}/services/legacy/instances/l1?generation=${answer.body.generation}`, 'DELETE');
    expect([late.status, late.headers['x-service-discovery-removed']]).toEqual([204, 'true']);
  });

  it('shuts down in bounded time while Redis is unreachable', async () => {
    const redis = await startRedis();
    const app = await apps.listen(moduleFor(redis.url, 'orders'));
    await registered(app, 'orders');
    await redis.kill();
    await inRegistry(app, ({ connected }) => (connected ? undefined : true));
    await app.get(ServiceDiscovery).registerService({ serviceName: 'users', host: '127.0.0.1', port: 9 });
    const began = systemClock.now();
    await app.close();
    const ms = Math.round(systemClock.now() - began);
    report(`Shutdown while Redis is away: ${ms} ms`);
    expect(ms).toBeLessThan(10_000);
  });
});
