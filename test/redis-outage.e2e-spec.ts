import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { pendingInput, systemClock } from '../libs/service-discovery/src/common/index.js';
import {
  type EventName,
  type Lease,
  type ServiceInstance,
  toInstance,
} from '../libs/service-discovery/src/model/index.js';
import { EventBus } from '../libs/service-discovery/src/observability/index.js';
import { ServiceRegistry, type ServiceRegistryOptions } from '../libs/service-discovery/src/registry/index.js';
import {
  RedisRegistryStore,
  type RedisRegistryStoreDeps,
  type RedisRegistryStoreOptions,
  type RedisTrouble,
} from '../libs/service-discovery/src/store/index.js';
import { ChangeRecorder, ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { ClockedRedis } from './support/clocked-redis.js';
import { RewrittenScripts } from './support/rewritten-scripts.js';
import { RedisServer, type RedisServerOptions } from './support/redis-server.js';
import { TcpLink } from './support/tcp-link.js';

const TTL_MS = 60_000;
const COMMAND_TIMEOUT_MS = 500;
const instanceOf = (instanceId: string, more: Partial<ServiceInstance> = {}): ServiceInstance => ({
  ...toInstance({ serviceName: 'users', instanceId, host: '127.0.0.1', port: 8080 }, { ttlMs: TTL_MS, now: 0 }),
  ...more,
});

let server: RedisServer;
let toClose: (() => Promise<unknown>)[];

beforeEach(() => {
  toClose = [];
});
afterEach(async () => {
  for (const close of toClose.reverse()) await close();
});

async function startServer(options?: RedisServerOptions): Promise<void> {
  server = await RedisServer.start(options);
  toClose.push(() => server.stop());
}

function openStore(options: RedisRegistryStoreOptions = {}, deps: RedisRegistryStoreDeps = {}): RedisRegistryStore {
  const where = options.client || options.url ? {} : { url: server.url };
  const store = new RedisRegistryStore({ commandTimeout: COMMAND_TIMEOUT_MS, ...where, ...options }, deps);
  toClose.push(() => store.close());
  return store;
}

function watch(store: RedisRegistryStore): ChangeRecorder {
  const recorder = new ChangeRecorder(store);
  toClose.push(() => recorder.stop());
  return recorder;
}

async function watching(store: RedisRegistryStore): Promise<ChangeRecorder> {
  const recorder = watch(store);
  await recorder.waitFor('a reset', ({ type }) => type === 'reset');
  return recorder;
}

const idsOf = (recorder: ChangeRecorder): string[] =>
  (recorder.snapshot.services.get('users') ?? []).map(({ instanceId }) => instanceId);

/** A process: a registry over a store of its own, with instances that it keeps registered. */
class Process {
  readonly bus = new EventBus();
  readonly registry: ServiceRegistry;

  constructor(
    readonly store = openStore(),
    options: Partial<ServiceRegistryOptions> = { heartbeatInterval: '500ms' },
  ) {
    this.registry = new ServiceRegistry(store, options, { events: this.bus });
    toClose.push(() => this.registry.close());
  }

  register(instanceId: string): Promise<unknown> {
    return this.registry.register({ serviceName: 'users', instanceId, host: '127.0.0.1', port: 8080 });
  }

  get ids(): string[] {
    return this.registry.getInstances('users').map(({ instanceId }) => instanceId);
  }

  next(name: EventName): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.bus.on(name, () => {
        stop();
        resolve();
      });
    });
  }

  /** Resolves when the registry's snapshot, now or after one of its changes, is as wanted. */
  until(holds: () => boolean): Promise<void> {
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

async function twoProcesses(): Promise<[Process, Process]> {
  const [one, two] = [new Process(), new Process()];
  await Promise.all([one.registry.start(), two.registry.start()]);
  await Promise.all([one.register('a'), two.register('b')]);
  await Promise.all([one, two].map((process) => process.until(() => process.ids.length === 2)));
  return [one, two];
}

const sinceMs = (start: number): number => Math.round(systemClock.now() - start);
const report = (line: string): void => void process.stdout.write(`${line}\n`);
const unavailable = (message: RegExp): object => ({
  code: 'REGISTRY_UNAVAILABLE',
  message: expect.stringMatching(message),
});

describe('when Redis is killed', () => {
  it('the last snapshot serves, and everything is there again soon after it returns without its memory', async () => {
    await startServer();
    const processes = await twoProcesses();
    const sizes = new Set<number>();
    for (const process of processes) process.registry.onChange(() => void sizes.add(process.ids.length));

    const lost = Promise.all(processes.map((process) => process.next('registry.unavailable')));
    await server.kill();
    await lost;
    await expect(processes[0].register('c')).rejects.toMatchObject(unavailable(/cannot be reached/));
    const regained = Promise.all(processes.map((process) => process.next('registry.available')));
    const recovered = Promise.all(processes.map((process) => process.next('lease.recovered')));
    const start = systemClock.now();
    await server.startAgain();
    await Promise.all([regained, recovered]);
    report(`SIGKILL and return: all registered again after ${sinceMs(start)} ms`);
    const fresh = await watching(openStore());
    expect(idsOf(fresh).sort()).toEqual(['a', 'b']);
    // Nobody who called meanwhile found fewer.
    expect([...sizes]).toEqual([2]);
  });

  it('commands are answered within the time for one, whatever state the connection is in', async () => {
    await startServer();
    const store = openStore();
    await store.put(instanceOf('a'), TTL_MS);
    await server.kill();
    for (let attempt = 0; attempt < 3; attempt++) {
      const start = systemClock.now();
      await expect(store.put(instanceOf('a'), TTL_MS)).rejects.toMatchObject(unavailable(/Redis at redis:\/\/127/));
      expect(sinceMs(start)).toBeLessThan(COMMAND_TIMEOUT_MS + 200);
    }
  });
});

describe('while Redis is away', () => {
  const held = (): string[] => process.getActiveResourcesInfo().filter((kind) => /^(Timeout|TCP)/.test(kind));

  it('attempts that fail leave neither a timer nor a socket behind', async () => {
    await startServer();
    const store = openStore({}, { expiryClock: new ManualClock() });
    const lease = await store.put(instanceOf('a'), TTL_MS);
    const before = held().length;
    await server.kill();
    for (let round = 0; round < 10; round++) {
      const renewals = Array.from({ length: 10 }, () => store.renew([lease]));
      await Promise.allSettled([...renewals, watch(store).ended]);
    }
    // The wait for the next try to connect, or that try, in place of the connection.
    expect(held().length).toBeLessThanOrEqual(before);
  });
});

describe('when Redis is flushed', () => {
  it('everything registers again, and no reader loses sight of what was there', async () => {
    await startServer();
    const processes = await twoProcesses();
    const sizes = new Set<number>();
    for (const process of processes) process.registry.onChange(() => void sizes.add(process.ids.length));
    const recovered = Promise.all(processes.map((process) => process.next('lease.recovered')));
    const start = systemClock.now();
    await server.flush();
    await recovered;
    report(`FLUSHALL: all registered again after ${sinceMs(start)} ms, heartbeats every 500 ms`);
    expect(idsOf(await watching(openStore())).sort()).toEqual(['a', 'b']);
    expect([...sizes]).toEqual([2]);
  });
});

describe('when Redis has lost its memory, and seen more changes since than before', () => {
  it('who finds it keeps what it knew until that is registered again', async () => {
    await startServer();
    const links = [await TcpLink.to(server.port), await TcpLink.to(server.port)];
    for (const link of links) toClose.push(() => link.close());
    const [one, two] = links.map(({ port }) => new Process(openStore({ url: `redis://127.0.0.1:${port}` }))) as [
      Process,
      Process,
    ];
    await Promise.all([one.registry.start(), two.registry.start()]);
    await Promise.all([one.register('a'), two.register('b')]);
    await Promise.all([one, two].map((process) => process.until(() => process.ids.length === 2)));
    const sizes = new Set<number>();
    one.registry.onChange(() => void sizes.add(one.ids.length));

    const lost = Promise.all([one, two].map((process) => process.next('registry.unavailable')));
    for (const link of links) link.cut();
    await lost;
    await server.flush();
    const other = openStore();
    for (let count = 0; count < 20; count++) await other.put(instanceOf('c'), TTL_MS);
    const recovered = one.next('lease.recovered');
    links[0]!.heal();
    await recovered;
    await one.until(() => one.ids.length === 3);
    links[1]!.heal();
    const fresh = await watching(openStore());
    await fresh.until('all', () => idsOf(fresh).length === 3);
    expect(Math.min(...sizes)).toBe(2);
  });
});

describe('when Redis stops to answer', () => {
  it('that is noticed within the time for a command, and passes', async () => {
    await startServer();
    const processes = await twoProcesses();
    const lost = Promise.all(processes.map((process) => process.next('registry.unavailable')));
    const start = systemClock.now();
    server.pause();
    const put = processes[0].register('c');
    await expect(put).rejects.toMatchObject(unavailable(/did not answer within 500 ms/));
    expect(sinceMs(start)).toBeLessThan(COMMAND_TIMEOUT_MS + 300);
    await lost;
    report(`SIGSTOP: every watch noticed after ${sinceMs(start)} ms, command timeout ${COMMAND_TIMEOUT_MS} ms`);
    for (const { ids } of processes) expect([...ids].sort()).toEqual(['a', 'b']);

    const regained = Promise.all(processes.map((process) => process.next('registry.available')));
    const resumed = systemClock.now();
    server.continue();
    await regained;
    report(`SIGCONT: watches again after ${sinceMs(resumed)} ms`);
    await processes[1].register('d');
    await processes[0].until(() => processes[0].ids.includes('d'));
  });
});

describe('when Redis stops to answer and nobody calls', () => {
  // So much later may a timer of a busy machine come.
  const NOISE_MS = 250;

  it.each([COMMAND_TIMEOUT_MS, 2_000])('a watch notices within the time for a command: %d ms', async (timeoutMs) => {
    await startServer();
    const watcher = new Process(openStore({ commandTimeout: timeoutMs }), {});
    await watcher.registry.start();
    await watcher.register('a');
    const lost = watcher.next('registry.unavailable');
    const start = systemClock.now();
    server.pause();
    await lost;
    const noticedMs = sinceMs(start);
    report(`SIGSTOP: an idle watch noticed after ${noticedMs} ms, command timeout ${timeoutMs} ms`);
    expect(noticedMs).toBeLessThanOrEqual(timeoutMs + NOISE_MS);
    expect(watcher.ids).toEqual(['a']);
    const regained = watcher.next('registry.available');
    const resumed = systemClock.now();
    server.continue();
    await regained;
    report(`SIGCONT: a watch again after ${sinceMs(resumed)} ms`);
  });

  it('a process that stood still itself does not take that for an outage', async () => {
    await startServer();
    const one = new Process();
    await one.registry.start();
    await one.register('a');
    let outages = 0;
    one.bus.on('registry.unavailable', () => (outages += 1));
    // Sent, and not answered before this process stands still.
    server.pause();
    const registered = one.register('b');
    await pendingInput();
    server.continue();
    standStill(2 * COMMAND_TIMEOUT_MS);
    await registered;
    await pendingInput();
    expect(outages).toBe(0);
    expect(one.registry.snapshot.connected).toBe(true);
  });
});

function standStill(ms: number): void {
  const end = systemClock.now() + ms;
  while (systemClock.now() < end);
}

describe('when a connection breaks', () => {
  it('the watch resumes from what it knows, and says so to nobody where nothing happened', async () => {
    await startServer();
    const store = openStore();
    const process = new Process(store);
    await process.registry.start();
    await process.register('a');
    const lost = process.next('registry.unavailable');
    const regained = process.next('registry.available');
    await server.client().call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await lost;
    await openStore().put(instanceOf('b'), TTL_MS);
    await regained;
    await process.until(() => process.ids.length === 2);
    expect(store.troubleCounts).toEqual({
      bad_record: 0,
      unreadable_service: 0,
      unreadable_namespace: 0,
      gap: 0,
      correction: 0,
    });
  });

  it('changes that Redis no longer keeps are noticed, and the service is read anew', async () => {
    await startServer();
    const store = openStore();
    const recorder = await watching(store);
    const writer = openStore();
    await writer.put(instanceOf('a'), TTL_MS);
    await recorder.until('a', () => idsOf(recorder).includes('a'));

    // As if five changes had been told while nobody heard them, and been cut off since.
    const [changes, meta] = ['sd:{default:users}:changes', 'sd:{default:users}:meta'];
    await server.client().multi().del(changes).hincrby(meta, 'sequence', 5).exec();
    await writer.put(instanceOf('b'), TTL_MS);
    await recorder.until('b', () => idsOf(recorder).includes('b'));
    expect(idsOf(recorder)).toEqual(['a', 'b']);
    expect(store.troubleCounts.gap).toBe(1);
  });
});

describe('a change that is told to nobody', () => {
  it('is found when everything is compared, taken in, and counted', async () => {
    await startServer();
    let passedMs = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + passedMs };
    const expiryClock = new ManualClock();
    const troubles: RedisTrouble[] = [];
    const store = openStore({}, { clock, expiryClock, onTrouble: (trouble) => troubles.push(trouble) });
    const recorder = await watching(store);
    await openStore().put(instanceOf('a'), TTL_MS);
    await recorder.until('a', () => idsOf(recorder).includes('a'));
    const client = new MutedRedis(server.port, '127.0.0.1');
    toClose.push(async () => client.disconnect());
    await openStore({ client }).put(instanceOf('b'), TTL_MS);
    expect(idsOf(recorder)).toEqual(['a']);

    passedMs = 60_000;
    expiryClock.advance(1_100);
    await recorder.until('b', () => idsOf(recorder).includes('b'));
    expect(troubles).toEqual([{ kind: 'correction', serviceName: 'users', reason: expect.any(String) }]);
    expect(store.troubleCounts).toEqual({
      bad_record: 0,
      unreadable_service: 0,
      unreadable_namespace: 0,
      gap: 0,
      correction: 1,
    });
  });
});

/** A Redis whose scripts tell nobody of what they do. */
class MutedRedis extends RewrittenScripts {
  protected rewrite(source: string): string {
    return source.replaceAll("redis.call('PUBLISH',", 'type(');
  }
}

describe('when Redis comes back without its memory', () => {
  it('what is told before a service was read is no loss of what this connection read', async () => {
    await startServer();
    const client = new GatedRedis(server.port, '127.0.0.1');
    toClose.push(async () => client.disconnect());
    const store = openStore({ client }, { expiryClock: new ManualClock() });
    const writer = openStore();
    for (let change = 0; change < 5; change++) await writer.put(instanceOf('a'), TTL_MS);
    const before = await watching(store);

    // The next watch listens, and then is not answered what there is.
    const asked = client.hold();
    await server.client().call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await expect(before.ended).rejects.toMatchObject(unavailable(/was lost/));
    const next = watch(store);
    await asked;
    await server.flush();
    await writer.put(instanceOf('b'), TTL_MS);
    await writer.put(instanceOf('c'), TTL_MS);
    client.release();
    await next.until('b and c', () => idsOf(next).length === 2);
    expect(idsOf(next)).toEqual(['b', 'c']);
  });

  it('while it loads its data it counts as away, and nothing in it as unreadable', async () => {
    await startServer();
    const process = new Process();
    await process.registry.start();
    await process.register('a');
    const filler = server.client().pipeline();
    for (let index = 0; index < 500; index++) filler.set(`filler:${index}`, 'x'.repeat(100));
    await filler.exec();
    await server.client().save();

    const lost = process.next('registry.unavailable');
    await server.kill();
    await lost;
    const regained = process.next('registry.available');
    const loads = ['--key-load-delay', '4000', '--loading-process-events-interval-bytes', '1024'];
    const loaded = server.startAgain(loads);
    let refused: unknown;
    for (let isLoading = true; isLoading && !String(refused).includes('LOADING');) {
      refused = await process.register('b').then(
        () => (isLoading = false),
        (error: unknown) => error,
      );
    }
    expect(refused).toMatchObject(unavailable(/LOADING/));
    await Promise.all([loaded, regained]);
    expect(process.store.troubleCounts).toEqual({
      bad_record: 0,
      unreadable_service: 0,
      unreadable_namespace: 0,
      gap: 0,
      correction: 0,
    });
    await process.until(() => process.ids.includes('a'));
  });
});

describe('leases', () => {
  it('of processes whose clocks are an hour off are not taken out', async () => {
    await startServer();
    const stores = [-3_600_000, 0, 3_600_000].map((shift) => {
      const clock = { ...systemClock, epoch: () => systemClock.epoch() + shift };
      return openStore({}, { clock });
    });
    const leases = await Promise.all(stores.map((store, index) => store.put(instanceOf(`i${index}`), TTL_MS)));
    await server.client().hdel('sd:{default}:sweep', 'at');
    for (const store of stores) expect(await store.sweep()).toBe(0);
    expect(await stores[0]!.renew(leases)).toEqual([true, true, true]);
    const generations = leases.map(({ generation }) => generation);
    expect(Math.max(...generations) - Math.min(...generations)).toBeLessThan(60_000_000);
  });

  it('of an older registration change nothing, and end with their deregistration', async () => {
    await startServer();
    const [before, after] = [openStore(), openStore()];
    const old = await before.put(instanceOf('a', { port: 1 }), TTL_MS);
    const young = await after.put(instanceOf('a', { port: 2 }), TTL_MS);
    expect(await before.remove(old)).toBe(false);
    expect(await before.renew([old])).toEqual([false]);
    expect((await watching(before)).snapshot.services.get('users')).toMatchObject([{ port: 2 }]);
    expect(await after.remove(young)).toBe(true);
    expect(await after.renew([young])).toEqual([false]);
    expect(await server.client().zcard('sd:{default:users}:leases')).toBe(0);
  });

  it('are renewed in one round trip', async () => {
    await startServer();
    const client = new CountingRedis(server.port, '127.0.0.1');
    toClose.push(async () => client.disconnect());
    // Sweeps, which take round trips of their own, wait for a clock that stands still.
    const store = openStore({ client }, { expiryClock: new ManualClock() });
    const leases: Lease[] = [];
    for (let index = 0; index < 500; index++) {
      leases.push(await store.put(instanceOf(`i${index}`, { serviceName: `s${index % 20}` }), TTL_MS));
    }
    // The first time, Redis has yet to be given the script.
    await store.renew(leases.slice(0, 1));
    const before = client.pipelines;
    expect((await store.renew(leases)).every(Boolean)).toBe(true);
    expect(client.pipelines - before).toBe(1);
  });
});

describe('expiry', () => {
  let time: number;
  let client: ClockedRedis;
  beforeEach(async () => {
    await startServer();
    client = new ClockedRedis(server.port, '127.0.0.1');
    toClose.push(async () => client.disconnect());
    time = Date.UTC(2026, 0, 1);
    await client.setTime(time);
  });
  const advance = (ms: number): Promise<void> => client.setTime((time += ms));

  it('is held after a time in which nobody swept, until heartbeats could arrive again', async () => {
    const store = openStore({ client }, { expiryClock: new ManualClock() });
    const lease = await store.put(instanceOf('a'), TTL_MS);
    await store.sweep();
    await advance(2 * TTL_MS);
    expect(await store.sweep()).toBe(0);
    for (let second = 1; second < 30; second++) {
      await advance(1_000);
      expect(await store.sweep()).toBe(0);
    }
    expect(await store.renew([lease])).toEqual([true]);
    await openStore({ client }, { expiryClock: new ManualClock() }).put(instanceOf('b'), 1_000);
    await advance(1_000);
    expect(await store.sweep()).toBe(1);
  });

  it('is not brought about by a process that stood still', async () => {
    const clock = new StallingClock();
    const store = openStore({ client }, { clock: { ...systemClock, now: () => clock.now() }, expiryClock: clock });
    await store.put(instanceOf('a'), TTL_MS);
    await advance(TTL_MS);
    // As if another process swept all along, but for this one second.
    await client.hset('sd:{default}:sweep', 'at', time - 1_000);
    const pinged = new Promise((resolve) => (client.ping = () => Promise.resolve(resolve('PONG')) as never));
    clock.standStill(2 * TTL_MS);
    await pinged;
    expect(await client.zcard('sd:{default:users}:leases')).toBe(1);
  });

  it('of many takes several sweeps, and tells of each once, whichever process sweeps', async () => {
    const options = { client, selfPreservation: false } as const;
    const stores = [1, 2, 3].map(() => openStore(options, { expiryClock: new ManualClock() }));
    for (let index = 0; index < 250; index++) await stores[0]!.put(instanceOf(`i${index}`), TTL_MS);
    const recorder = await watching(stores[0]!);
    await advance(TTL_MS);
    const taken: number[] = [];
    for (let round = 0; round < 4; round++) {
      await client.hset('sd:{default}:sweep', 'at', time - 1_000);
      const counts = await Promise.all(stores.map((store) => store.sweep()));
      expect(counts.filter((count) => count > 0).length).toBeLessThanOrEqual(1);
      taken.push(Math.max(...counts));
      await advance(1_000);
    }
    expect(taken).toEqual([100, 100, 50, 0]);
    await recorder.until('the end', () => idsOf(recorder).length === 0);
    expect(recorder.changes.filter(({ type }) => type === 'remove')).toHaveLength(250);
  });
});

/** Counts what is sent as one. */
class CountingRedis extends Redis {
  pipelines = 0;

  override pipeline(commands?: unknown[][]): ReturnType<Redis['pipeline']> {
    this.pipelines += 1;
    return super.pipeline(commands);
  }
}

/** Holds back the scripts that it is to call, when told so. */
class GatedRedis extends Redis {
  private asked: () => void = () => undefined;
  private gate: Promise<void> | undefined;
  release: () => void = () => undefined;

  /** @returns resolves when somebody asked */
  hold(): Promise<void> {
    this.gate = new Promise((resolve) => (this.release = resolve));
    return new Promise((resolve) => (this.asked = resolve));
  }

  override pipeline(commands?: unknown[][]): ReturnType<Redis['pipeline']> {
    const pipeline = super.pipeline(commands);
    const { gate } = this;
    if (!gate) return pipeline;
    const exec = pipeline.exec.bind(pipeline);
    pipeline.exec = () => gate.then(() => exec());
    this.asked();
    return pipeline;
  }
}

/** A clock whose timers come too late, all at once. */
class StallingClock extends ManualClock {
  private extraMs = 0;

  override now(): number {
    return super.now() + this.extraMs;
  }

  standStill(ms: number): void {
    this.extraMs = ms;
    this.advance(1_100);
  }
}

describe('what should not be there', () => {
  it('is skipped, counted and told of once', async () => {
    await startServer();
    const troubles: RedisTrouble[] = [];
    const writer = openStore();
    for (const id of ['good', 'broken', 'newer', 'partial']) await writer.put(instanceOf(id), TTL_MS);
    await writer.put(instanceOf('a', { serviceName: 'orders' }), TTL_MS);
    const redis = server.client();
    await redis.hset('sd:{default:users}:records', {
      broken: '{oops',
      newer: '{"v":2,"host":"x","port":1}',
      partial: '{"v":1,"host":"x","port":1}',
    });
    await redis.del('sd:{default:orders}:records');
    await redis.set('sd:{default:orders}:records', 'in the way');

    const store = openStore({}, { onTrouble: (trouble) => troubles.push(trouble) });
    expect(idsOf(await watching(store))).toEqual(['good']);
    expect(idsOf(await watching(openStore()))).toEqual(['good']);
    expect(troubles.map(({ kind, serviceName, instanceId }) => [kind, serviceName, instanceId])).toEqual(
      expect.arrayContaining([
        ['bad_record', 'users', 'broken'],
        ['bad_record', 'users', 'newer'],
        ['bad_record', 'users', 'partial'],
        ['unreadable_service', 'orders', undefined],
      ]),
    );
    expect(store.troubleCounts).toMatchObject({ bad_record: 3 });
    await expect(store.put(instanceOf('b', { serviceName: 'orders' }), TTL_MS)).rejects.toMatchObject(
      unavailable(/refuses: .*WRONGTYPE/),
    );
  });
});

describe('a key of another type in the way', () => {
  const whose = (key: string): RegExp => new RegExp(`refuses: WRONGTYPE: .*${key}.* holds something else .* delete it`);

  it('of the names keeps nobody from starting, and everybody is told which one it is', async () => {
    await startServer();
    await server.client().set('sd:{default}:names', 'in the way');
    const one = new Process(openStore(), { startTimeout: '1s' });
    const told = new Promise((resolve) => one.bus.on('registry.unavailable', resolve));
    const start = systemClock.now();
    await one.registry.start();
    expect(sinceMs(start)).toBeLessThan(1_500);
    expect(await told).toMatchObject({ reason: expect.stringMatching(whose('sd:{default}:names')) });
    await expect(one.register('a')).rejects.toMatchObject(unavailable(whose('sd:{default}:names')));
    const available = one.next('registry.available');
    await server.client().del('sd:{default}:names');
    await available;
    await one.register('a');
  });

  it.each<[string, (store: RedisRegistryStore) => Promise<unknown>]>([
    ['names', (store) => store.sweep()],
    ['sweep', (store) => store.sweep()],
    ['checkers', (store) => store.announceChecker('a', 1_000)],
  ])('of the %s is counted and told of once, and leaves the rest alone', async (part, act) => {
    await startServer();
    const key = `sd:{default}:${part}`;
    const troubles: RedisTrouble[] = [];
    const deps = { expiryClock: new ManualClock(), onTrouble: (trouble: RedisTrouble) => troubles.push(trouble) };
    const store = openStore({}, deps);
    const recorder = await watching(store);
    await store.put(instanceOf('a'), TTL_MS);
    await server.client().del(key);
    await server.client().set(key, 'in the way');
    for (let round = 0; round < 3; round++) {
      await expect(act(store)).rejects.toMatchObject(unavailable(whose(key)));
      // Another turn to sweep.
      if (part === 'names') await server.client().del('sd:{default}:sweep');
    }
    expect(troubles).toEqual([{ kind: 'unreadable_namespace', reason: expect.stringMatching(whose(key)) }]);
    expect(store.troubleCounts.unreadable_namespace).toBe(1);
    await recorder.until('a', () => idsOf(recorder).includes('a'));
  });

  it.each(['records', 'states', 'details', 'leases', 'meta', 'changes'])(
    'of the %s of a service refuses that service, and no other',
    async (part) => {
      await startServer();
      await server.client().set(`sd:{default:users}:${part}`, 'in the way');
      const one = new Process();
      await one.registry.start();
      await expect(one.register('a')).rejects.toMatchObject(unavailable(whose(`sd:{default:users}:${part}`)));
      await one.registry.register({ serviceName: 'orders', instanceId: 'b', host: '127.0.0.1', port: 1 });
      expect(one.registry.snapshot.connected).toBe(true);
      expect(one.registry.listServices()).toEqual(['orders']);
      expect(one.store.troubleCounts.unreadable_service).toBeLessThanOrEqual(1);
    },
  );
});

describe('a Redis that cannot be used', () => {
  it.each<[string, () => string, RegExp]>([
    [
      'a wrong password',
      () => server.url.replace('//', '//:wrong@'),
      /refuses: .*WRONGPASS|cannot be reached: .*WRONGPASS/,
    ],
    ['no password', () => server.url, /NOAUTH/],
    [
      'TLS where there is none',
      () => server.url.replace('redis:', 'rediss:').replace('//', '//:secret@'),
      /cannot be reached/,
    ],
    ['an address where nobody listens', () => 'redis://127.0.0.1:1', /ECONNREFUSED/],
    ['a name that nobody has', () => 'redis://redis.invalid:6379', /cannot be reached/],
  ])('is told of in bounded time: %s', async (_what, url, message) => {
    await startServer({ password: 'secret' });
    const store = openStore({ url: url() });
    const start = systemClock.now();
    for (const act of [() => store.put(instanceOf('a'), TTL_MS), () => watch(store).ended]) {
      const error = await act().then(
        () => undefined,
        (thrown: unknown) => thrown as Error,
      );
      expect(error).toMatchObject(unavailable(message));
      expect(error!.message).not.toMatch(/wrong@|secret/);
    }
    expect(sinceMs(start)).toBeLessThan(2 * COMMAND_TIMEOUT_MS + 500);
  });

  it('lets a socket go that nobody answers on', async () => {
    const sockets = new Set<Socket>();
    const silent: Server = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    toClose.push(async () => {
      for (const socket of sockets) socket.destroy();
      silent.close();
      await once(silent, 'close');
    });
    const { port } = silent.address() as { port: number };
    const store = openStore({ url: `redis://127.0.0.1:${port}` });
    const came = once(silent, 'connection') as Promise<[Socket]>;
    const put = store.put(instanceOf('a'), TTL_MS);
    put.catch(() => undefined);
    const [socket] = await came;
    socket.resume();
    const ended = once(socket, 'end');
    await expect(put).rejects.toMatchObject(unavailable(/did not answer within 500 ms/));
    await ended;
  });
});

describe("a client of the user's own", () => {
  it('is used, and stays open', async () => {
    await startServer({ password: 'secret' });
    const client = server.connect();
    toClose.push(async () => client.disconnect());
    const store = openStore({ client, namespace: 'shop' });
    const recorder = await watching(store);
    await store.put(instanceOf('a'), TTL_MS);
    await recorder.until('a', () => idsOf(recorder).includes('a'));
    await store.close();
    expect(await client.ping()).toBe('PONG');
    expect(client.listenerCount('close')).toBe(0);
    const names = await client.keys('*');
    expect(names.filter((name) => !/^sd:\{shop(:users)?\}:/.test(name))).toEqual([]);
  });

  it('with a prefix is refused, as are other wrong options', async () => {
    await startServer();
    const client = server.connect({ keyPrefix: 'x:' });
    toClose.push(async () => client.disconnect());
    expect(() => openStore({ client })).toThrow(/client: .*keyPrefix/);
    const wrong = { url: 'http://:secret@redis', namespace: 'a:b', commandTimeout: 0, changesKept: 1 };
    expect(() => new RedisRegistryStore(wrong)).toThrow(/url[^]*namespace[^]*commandTimeout[^]*changesKept/);
    expect(() => new RedisRegistryStore(wrong)).not.toThrow(/secret/);
  });
});
