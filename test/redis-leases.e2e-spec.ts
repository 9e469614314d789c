import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { systemClock } from '../libs/service-discovery/src/common/index.js';
import { type Lease } from '../libs/service-discovery/src/model/index.js';
import { ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { ClockedRedis } from './support/clocked-redis.js';
import { idsOf, instanceOf, RedisSetting, TTL_MS } from './support/redis-setting.js';

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
