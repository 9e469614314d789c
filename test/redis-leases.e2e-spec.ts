import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { systemClock } from '../libs/service-discovery/src/common/index.js';
import { type Lease, type ServiceInstance, toInstance } from '../libs/service-discovery/src/model/index.js';
import { RedisRegistryStore } from '../libs/service-discovery/src/store/index.js';
import { ChangeRecorder, ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { ClockedRedis } from './support/clocked-redis.js';
import { RedisServer } from './support/redis-server.js';
import { idsOf, instanceOf, RedisSetting, TTL_MS } from './support/redis-setting.js';
import { RegistryProcess } from './support/registry-process.js';

const redis = new RedisSetting();
afterEach(() => redis.end());

describe('leases', () => {
  it('do not expire if the clock of a process is an hour off', async () => {
    await redis.startServer();
    const stores = [-3_600_000, 0, 3_600_000].map((shift) => {
      const clock = { ...systemClock, epoch: () => systemClock.epoch() + shift };
      return redis.openStore({}, { clock });
    });
    const leases = await Promise.all(stores.map((store, index) => store.put(instanceOf(`i${index}`), TTL_MS)));
    await redis.server.client().hdel('sd:{default}:sweep', 'at');
    for (const store of stores) expect(await store.sweep()).toBe(0);
    expect(await stores[0]!.renew(leases)).toEqual([true, true, true]);
    const generations = leases.map(({ generation }) => generation);
    expect(Math.max(...generations) - Math.min(...generations)).toBeLessThan(60_000_000);
  });

  it('of an older registration change nothing, and end with its deregistration', async () => {
    await redis.startServer();
    const [before, after] = [redis.openStore(), redis.openStore()];
    const old = await before.put(instanceOf('a', { port: 1 }), TTL_MS);
    const young = await after.put(instanceOf('a', { port: 2 }), TTL_MS);
    expect(await before.remove(old)).toBe(false);
    expect(await before.renew([old])).toEqual([false]);
    expect((await redis.watching(before)).snapshot.services.get('users')).toMatchObject([{ port: 2 }]);
    expect(await after.remove(young)).toBe(true);
    expect(await after.renew([young])).toEqual([false]);
    expect(await redis.server.client().zcard('sd:{default:users}:leases')).toBe(0);
  });

  it('are renewed in one round trip', async () => {
    await redis.startServer();
    const client = new CountingRedis(redis.server.port, '127.0.0.1');
    redis.atEnd(async () => client.disconnect());
    // Sweeps have round trips of their own; they wait for a clock that stands still.
    const store = redis.openStore({ client }, { expiryClock: new ManualClock() });
    const leases: Lease[] = [];
    for (let index = 0; index < 500; index++) {
      leases.push(await store.put(instanceOf(`i${index}`, { serviceName: `s${index % 20}` }), TTL_MS));
    }
    // The first time, the script has to be loaded.
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
    await redis.startServer();
    client = new ClockedRedis(redis.server.port, '127.0.0.1');
    redis.atEnd(async () => client.disconnect());
    time = Date.UTC(2026, 0, 1);
    await client.setTime(time);
  });
  const advance = (ms: number): Promise<void> => client.setTime((time += ms));

  it('is held after a time without sweeps, until heartbeats could arrive again', async () => {
    const store = redis.openStore({ client }, { expiryClock: new ManualClock() });
    const lease = await store.put(instanceOf('a'), TTL_MS);
    await store.sweep();
    await advance(2 * TTL_MS);
    expect(await store.sweep()).toBe(0);
    for (let second = 1; second < 30; second++) {
      await advance(1_000);
      expect(await store.sweep()).toBe(0);
    }
    expect(await store.renew([lease])).toEqual([true]);
    await redis.openStore({ client }, { expiryClock: new ManualClock() }).put(instanceOf('b'), 1_000);
    await advance(1_000);
    expect(await store.sweep()).toBe(1);
  });

  it('is not caused by a stalled process', async () => {
    const clock = new StallingClock();
    const store = redis.openStore(
      { client },
      { clock: { ...systemClock, now: () => clock.now() }, expiryClock: clock },
    );
    await store.put(instanceOf('a'), TTL_MS);
    await advance(TTL_MS);
    // As if another process had swept all the time except for this one second.
    await client.hset('sd:{default}:sweep', 'at', time - 1_000);
    const pinged = new Promise((resolve) => (client.ping = () => Promise.resolve(resolve('PONG')) as never));
    clock.standStill(2 * TTL_MS);
    await pinged;
    expect(await client.zcard('sd:{default:users}:leases')).toBe(1);
  });

  it('of many instances takes several sweeps, and is published once each, whichever process sweeps', async () => {
    const options = { client, selfPreservation: false } as const;
    const stores = [1, 2, 3].map(() => redis.openStore(options, { expiryClock: new ManualClock() }));
    for (let index = 0; index < 250; index++) await stores[0]!.put(instanceOf(`i${index}`), TTL_MS);
    const recorder = await redis.watching(stores[0]!);
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

describe('a sweep', () => {
  it('removes no more than its cap in total, and a part of it per service', async () => {
    await redis.startServer();
    const options = { selfPreservation: false } as const;
    const store = redis.openStore(options, { expiryClock: new ManualClock() });
    const putAll = (serviceName: string, count: number): Promise<unknown> =>
      Promise.all(Array.from({ length: count }, (_, index) => store.put(instanceOf(`i${index}`, { serviceName }), 1)));
    for (let service = 0; service < 40; service++) await putAll(`s${service}`, 60);
    await putAll('large', 150);
    const client = redis.server.client();
    const leftOf = async (name: string): Promise<number> => client.zcard(`sd:{default:${name}}:leases`);
    const took: number[] = [];
    const large: number[] = [];
    while (took.at(-1) !== 0) {
      await client.hdel('sd:{default}:sweep', 'at');
      took.push(await store.sweep());
      large.push(await leftOf('large'));
    }
    expect(took.reduce((sum, count) => sum + count, 0)).toBe(40 * 60 + 150);
    // One round trip may exceed the cap by one per service.
    expect(Math.max(...took)).toBeLessThanOrEqual(2_041);
    expect(large.find((count) => count < 150)).toBeGreaterThanOrEqual(50);
  });
});

/** Counts each pipeline as one round trip. */
class CountingRedis extends Redis {
  pipelines = 0;

  override pipeline(commands?: unknown[][]): ReturnType<Redis['pipeline']> {
    this.pipelines += 1;
    return super.pipeline(commands);
  }
}

/** A clock whose timers fire late, all at once. */
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

describe('leases after another server took over', () => {
  const TTL_MS = 60_000;
  const instanceOf = (instanceId: string): ServiceInstance =>
    toInstance({ serviceName: 'users', instanceId, host: '127.0.0.1', port: 8080 }, { ttlMs: TTL_MS, now: 0 });

  let server: RedisServer;
  let toClose: (() => Promise<unknown> | void)[];
  beforeEach(async () => {
    server = await RedisServer.start();
    toClose = [() => server.stop()];
  });
  afterEach(async () => {
    for (const close of toClose.reverse()) await close();
  });

  function openStore(): RedisRegistryStore {
    // Sweeps wait for a clock that stands still.
    const store = new RedisRegistryStore({ url: server.url }, { expiryClock: new ManualClock() });
    toClose.push(() => store.close());
    return store;
  }

  async function watching(store: RedisRegistryStore): Promise<ChangeRecorder> {
    const recorder = new ChangeRecorder(store);
    toClose.push(() => recorder.stop());
    await recorder.waitFor('a reset', ({ type }) => type === 'reset');
    return recorder;
  }

  const idsOf = (recorder: ChangeRecorder): string[] =>
    (recorder.snapshot.services.get('users') ?? []).map(({ instanceId }) => instanceId);

  /** Dumps the data of Redis to restore it later, as on a replica that takes over without the latest changes. */
  async function remember(): Promise<() => Promise<void>> {
    const redis = server.client();
    const keys = await redis.keys('*');
    const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
    return async () => {
      await redis.flushall();
      await Promise.all(keys.map((key, index) => redis.restore(key, 0, dumps[index]!)));
    };
  }

  describe('a server that becomes a replica', () => {
    it('is disconnected at once, and used again when it is a primary', async () => {
      const process = await RegistryProcess.start({ url: server.url });
      toClose.push(() => process.close());
      await process.register('users', 'a');
      const lost = process.next('registry.unavailable');
      await server.client().replicaof('127.0.0.1', 1);
      await expect(process.register('users', 'b')).rejects.toMatchObject({
        code: 'REGISTRY_UNAVAILABLE',
        message: expect.stringMatching(/READONLY/),
      });
      await lost;
      const regained = process.next('registry.available');
      await server.client().replicaof('NO', 'ONE');
      await process.registerAtLast('users', 'b');
      await regained;
      await process.until(() => process.ids('users').join() === 'a,b');
    });
  });

  describe('a server that took over without the latest changes', () => {
    it.each([2, 3])('is detected by a watch at change %d, although the number fits', async (changes) => {
      const writer = openStore();
      await writer.put(instanceOf('a'), TTL_MS);
      const takeOver = await remember();
      const recorder = await watching(openStore());
      for (const id of ['lost-1', 'lost-2']) await writer.put(instanceOf(id), TTL_MS);
      await recorder.until('both', () => idsOf(recorder).length === 3);

      await takeOver();
      // The last of these has the number of the last change that the watch knows, or the next one.
      for (let index = 0; index < changes; index++) await writer.put(instanceOf(`new-${index}`), TTL_MS);
      await expect(recorder.ended).rejects.toThrow(/lost the registry's data/);
    });

    it('is detected by a process that reconnects with its earlier position', async () => {
      const writer = openStore();
      await writer.put(instanceOf('a'), TTL_MS);
      const takeOver = await remember();
      const store = openStore();
      const before = await watching(store);
      await writer.put(instanceOf('lost'), TTL_MS);
      await before.until('lost', () => idsOf(before).includes('lost'));
      await before.stop();

      await takeOver();
      for (const id of ['b', 'c']) await writer.put(instanceOf(id), TTL_MS);
      const after = await watching(store);
      expect(idsOf(after)).toEqual(['a', 'b', 'c']);
      expect(after.changes[0]!.revision).toBeLessThan(before.changes.at(-1)!.revision);
    });

    it('does not bring back a deregistered instance, which any process that saw the removal removes again', async () => {
      const [witness, owner] = await Promise.all([1, 2].map(() => RegistryProcess.start({ url: server.url })));
      toClose.push(...[witness!, owner!].map((process) => () => process.close()));
      for (const id of ['a', 'gone']) await owner!.register('users', id);
      const takeOver = await remember();
      await owner!.registry.deregister({ serviceName: 'users', instanceId: 'gone' });
      await witness!.until(() => witness!.ids('users').join() === 'a');
      await owner!.close();
      const shown = new Set<string>();
      witness!.registry.onChange(() => witness!.ids('users').forEach((id) => shown.add(id)));

      await takeOver();
      const regained = witness!.next('registry.available');
      await server.client().call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await regained;
      // A change after everything that the witness did when it reconnected.
      await witness!.register('users', 'b');
      expect([...shown].sort()).toEqual(['a', 'b']);
      expect((await server.client().hkeys('sd:{default:users}:records')).sort()).toEqual(['a', 'b']);
    });

    it('assigns greater generations although its clock is behind, and others than such a server before it', async () => {
      const client = new ClockedRedis(server.port, '127.0.0.1');
      toClose.push(() => client.disconnect());
      const store = new RedisRegistryStore({ client }, { expiryClock: new ManualClock() });
      toClose.push(() => store.close());
      const at = Date.UTC(2026, 0, 1);
      await client.setTime(at);
      const { generation: first } = await store.put(instanceOf('a'), TTL_MS);
      const takeOver = await remember();
      await client.setTime(at - 60_000.123);
      const { generation: second } = await store.put(instanceOf('a'), TTL_MS);
      await takeOver();
      await client.setTime(at - 30_000.456);
      const { generation: third } = await store.put(instanceOf('a'), TTL_MS);
      expect(second).toBeGreaterThan(first);
      expect(third).toBeGreaterThan(first);
      expect(third).not.toBe(second);
    });
  });
});
