import { setImmediate } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { type Change, type ServiceInstance, toInstance } from '../libs/service-discovery/src/model/index.js';
import {
  RedisRegistryStore,
  type RedisRegistryStoreDeps,
  type RedisRegistryStoreOptions,
} from '../libs/service-discovery/src/store/index.js';
import { ChangeRecorder, ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { RedisServer } from './support/redis-server.js';

const TTL_MS = 60_000;
const instanceOf = (serviceName: string, instanceId: string, port = 8080): ServiceInstance =>
  toInstance({ serviceName, instanceId, host: '127.0.0.1', port }, { ttlMs: TTL_MS, now: 0 });

/** A connection that counts its round trips, and the scripts called in each. */
class CountingRedis extends Redis {
  readonly roundTrips: number[] = [];

  override pipeline(...args: Parameters<Redis['pipeline']>): ReturnType<Redis['pipeline']> {
    const pipeline = super.pipeline(...args);
    const exec = pipeline.exec.bind(pipeline);
    pipeline.exec = (...given) => {
      this.roundTrips.push(pipeline.length);
      return exec(...given);
    };
    return pipeline;
  }
}

let server: RedisServer;
let client: CountingRedis;
let store: RedisRegistryStore;
let toClose: (() => Promise<unknown>)[];

function openStore(options: RedisRegistryStoreOptions = {}, deps: RedisRegistryStoreDeps = {}): RedisRegistryStore {
  const opened = new RedisRegistryStore(options, { expiryClock: new ManualClock(), ...deps });
  toClose.push(() => opened.close());
  return opened;
}

beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.stop());

beforeEach(async () => {
  toClose = [];
  await server.flush();
  client = new CountingRedis(server.port, '127.0.0.1');
  toClose.push(async () => client.disconnect());
  store = openStore({ client });
  // From here on Redis knows the scripts: an unknown one is called again after all others.
  const lease = await store.put(instanceOf('warm-up', 'a'), TTL_MS);
  await store.setStatus(lease, 'up');
  await store.remove(lease);
  client.roundTrips.length = 0;
});
afterEach(async () => {
  for (const close of toClose.reverse()) await close();
});

async function watching(): Promise<ChangeRecorder> {
  const recorder = new ChangeRecorder(store);
  toClose.push(() => recorder.stop());
  await recorder.waitFor('a reset', ({ type }) => type === 'reset');
  return recorder;
}

const ports = (changes: readonly Change[]): number[] =>
  changes.flatMap((change) => (change.type === 'put' ? [change.instance.port] : []));

describe('writes that are issued together', () => {
  it('make one round trip, with one call per service', async () => {
    const asked = ['users', 'orders'].flatMap((name) =>
      Array.from({ length: 16 }, (_, n) => instanceOf(name, `${name}-${n}`)),
    );
    const leases = await Promise.all(asked.map((instance) => store.put(instance, TTL_MS)));
    expect(leases.map(({ serviceName, instanceId }) => ({ serviceName, instanceId }))).toEqual(
      asked.map(({ serviceName, instanceId }) => ({ serviceName, instanceId })),
    );
    // Two services, and the index of names.
    expect(client.roundTrips).toEqual([3]);
    await expect(store.renew(leases)).resolves.toEqual(leases.map(() => true));
  });

  it('make as many round trips as needed, each larger while answers are fast, and lose none', async () => {
    const recorder = await watching();
    // By this clock, answers take no time.
    store = openStore({ client }, { clock: new ManualClock() });
    client.roundTrips.length = 0;
    const asked = Array.from({ length: 2_500 }, (_, n) => instanceOf('users', `users-${n}`, n + 1));
    const leases = await Promise.all(asked.map((instance) => store.put(instance, TTL_MS)));
    expect(client.roundTrips.slice(0, 3)).toEqual([2, 2, 2]);
    expect(Math.max(...client.roundTrips)).toBeGreaterThan(4);
    expect(Math.max(...client.roundTrips)).toBeLessThanOrEqual(11);
    const generations = leases.map(({ generation }) => generation);
    expect(generations).toEqual([...new Set(generations)].sort((a, b) => a - b));
    await recorder.waitFor('the last one', (change) => change.type === 'put' && change.instance.port === 2_500);
    expect(ports(recorder.changes)).toEqual(asked.map(({ port }) => port));
    expect(store.troubleCounts.gap).toBe(0);
  });

  it('take effect in the order in which they were issued', async () => {
    const recorder = await watching();
    const key = { serviceName: 'users', instanceId: 'a' };
    const [early, first, drained, second, other, maintained, third] = await Promise.all([
      store.setStatus(key, 'draining'),
      store.put(instanceOf('users', 'a', 1), TTL_MS),
      store.setStatus(key, 'draining'),
      store.put(instanceOf('users', 'a', 2), TTL_MS),
      store.put(instanceOf('orders', 'a', 9), TTL_MS),
      store.setStatus(key, 'maintenance'),
      store.put(instanceOf('users', 'a', 3), TTL_MS),
    ]);
    expect([early, drained, maintained]).toEqual([false, true, true]);
    expect(first.generation).toBeLessThan(second.generation);
    expect(second.generation).toBeLessThan(third.generation);
    expect(other.generation).toBeGreaterThan(0);
    const [stale, current] = await Promise.all([store.remove(second), store.renew([third])]);
    expect([stale, current]).toEqual([false, [true]]);
    await recorder.waitFor('the last one', (change) => change.type === 'put' && change.instance.port === 3);
    const told = recorder.changes.flatMap((change) =>
      change.type === 'put' && change.instance.serviceName === 'users'
        ? [[change.instance.port, change.instance.operatorStatus]]
        : [],
    );
    expect(told).toEqual([
      [1, 'up'],
      [1, 'draining'],
      [2, 'up'],
      [2, 'maintenance'],
      [3, 'maintenance'],
    ]);
  });

  it('keep the last of two registrations of one id, and its place in the order', async () => {
    const [first, , second] = await Promise.all([
      store.put(instanceOf('users', 'a', 1), TTL_MS),
      store.put(instanceOf('users', 'b', 2), TTL_MS),
      store.put(instanceOf('users', 'a', 3), TTL_MS),
    ]);
    await expect(store.renew([first, second])).resolves.toEqual([false, true]);
    const { snapshot } = await watching();
    expect(snapshot.services.get('users')?.map(({ port }) => port)).toEqual([3, 2]);
  });

  it('fail separately: an error of one service affects no other', async () => {
    await server.client().set('sd:{default:broken}:leases', 'a text');
    const results = await Promise.allSettled(
      ['users', 'broken', 'orders', 'broken'].map((name, n) => store.put(instanceOf(name, String(n)), TTL_MS)),
    );
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected']);
    expect(results[3]).toMatchObject({ reason: { code: 'REGISTRY_UNAVAILABLE', message: /WRONGTYPE/ } });
    await expect(server.client().exists('sd:{default:broken}:records')).resolves.toBe(0);
    await expect(server.client().exists('sd:{default:broken}:meta')).resolves.toBe(0);
  });

  it('all fail when the store closes before they are answered', async () => {
    const writing = Promise.allSettled(
      Array.from({ length: 5_000 }, (_, n) => store.put(instanceOf('users', String(n)), TTL_MS)),
    );
    await store.close();
    const results = await writing;
    expect(results.filter(({ status }) => status === 'rejected')).not.toHaveLength(0);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
    }
  });

  it('all fail within one command timeout when Redis does not answer, including waiting ones', async () => {
    const patient = openStore({ url: server.url, commandTimeout: '300ms' });
    await patient.put(instanceOf('users', 'a'), TTL_MS);
    server.pause();
    const since = performance.now();
    const results = await Promise.allSettled(
      Array.from({ length: 20_000 }, (_, n) => patient.put(instanceOf('users', String(n)), TTL_MS)),
    ).finally(() => server.continue());
    process.stdout.write(
      `20,000 writes to a Redis that stands still: failed after ${Math.round(performance.now() - since)} ms, ` +
        'command timeout 300 ms\n',
    );
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
    await expect(waitForAnswer(() => patient.put(instanceOf('users', 'after'), TTL_MS))).resolves.toMatchObject({
      instanceId: 'after',
    });
  });
});

/** The connection reconnects by itself; until then a call fails. */
async function waitForAnswer<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch {
      await setImmediate();
    }
  }
}
