import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { seededRandom } from '../libs/service-discovery/src/common/index.js';
import { type Lease, type ServiceInstance, toInstance } from '../libs/service-discovery/src/model/index.js';
import {
  MemoryRegistryStore,
  RedisRegistryStore,
  type RedisTrouble,
} from '../libs/service-discovery/src/store/index.js';
import { ChangeRecorder, ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { ClockedRedis } from './support/clocked-redis.js';
import { pollUntil } from './support/poll.js';
import { RedisServer } from './support/redis-server.js';

let server: RedisServer;
let toClose: (() => Promise<unknown>)[];

beforeEach(async () => {
  toClose = [];
  server = await RedisServer.start();
  toClose.push(() => server.stop());
});
afterEach(async () => {
  for (const close of toClose.reverse()) await close();
});

describe('sweeps', () => {
  const TTL_MS = 60_000;
  let time: number;
  let client: ClockedRedis;
  let store: RedisRegistryStore;
  let recorder: ChangeRecorder;
  let troubles: RedisTrouble[];

  beforeEach(async () => {
    client = new ClockedRedis(server.port, '127.0.0.1');
    toClose.push(async () => client.disconnect());
    time = Date.UTC(2026, 0, 1);
    await client.setTime(time);
    troubles = [];
    store = new RedisRegistryStore(
      { client },
      { expiryClock: new ManualClock(), onTrouble: (trouble) => troubles.push(trouble) },
    );
    toClose.push(() => store.close());
    recorder = new ChangeRecorder(store);
    toClose.push(() => recorder.stop());
    await recorder.waitFor('a reset', ({ type }) => type === 'reset');
  });

  const instanceOf = (instanceId: string, serviceName = 'users', ttlMs = TTL_MS): ServiceInstance =>
    toInstance({ serviceName, instanceId, host: '127.0.0.1', port: 8080 }, { ttlMs, now: 0 });
  const put = async (count: number, prefix = 'i'): Promise<Lease[]> => {
    const leases: Lease[] = [];
    for (let index = 0; index < count; index++) {
      const instanceId = `${prefix}${index}`;
      leases.push(await store.put(instanceOf(instanceId), TTL_MS));
    }
    return leases;
  };
  /** Advances the time of Redis and sweeps, as if other processes had swept all the time unless it is a stall. */
  const advance = async (ms: number, { standstill = false } = {}): Promise<number> => {
    await client.setTime((time += ms));
    if (!standstill) await client.hset('sd:{default}:sweep', 'at', time - 1_000);
    return store.sweep();
  };
  const heldNow = async (): Promise<boolean> => (await client.hexists('sd:{default:users}:meta', 'holdSince')) === 1;

  it('expire held instances in capped turns, and do not hold them again while they wait', async () => {
    await put(250);
    const [alive] = await put(1, 'alive');
    await advance(TTL_MS - 1);
    await store.renew([alive!]);
    expect(await advance(1)).toBe(0);
    expect(await heldNow()).toBe(true);
    for (let third = 1; third <= 2; third++) {
      expect(await advance(TTL_MS / 3)).toBe(0);
      await store.renew([alive!]);
    }
    const taken = [await advance(TTL_MS / 3)];
    await store.renew([alive!]);
    for (let sweep = 0; sweep < 3; sweep++) taken.push(await advance(1_000));
    expect(taken).toEqual([100, 100, 50, 0]);
    await recorder.until('the end', () => recorder.snapshot.services.get('users')?.length === 1);
    expect(recorder.changes.flatMap((change) => (change.type === 'hold' ? [change.hold?.overdue] : []))).toEqual([
      250,
      undefined,
    ]);
    expect(recorder.changes.filter(({ type }) => type === 'remove')).toHaveLength(250);
  });

  it('do not hold waiting instances again when others fall silent', async () => {
    const [alive, silent] = [await put(240, 'alive'), await put(260)];
    await advance(41_500);
    await store.renew(alive);
    expect(await advance(18_500)).toBe(0);
    expect(await heldNow()).toBe(true);
    await store.renew(silent.slice(0, 20));
    expect(await advance(1_000)).toBe(0);
    const taken = [await advance(TTL_MS / 3)];
    // By now the first ones have missed heartbeats for two thirds of their leases.
    for (let sweep = 0; sweep < 3; sweep++) taken.push(await advance(1_000));
    expect(taken).toEqual([100, 100, 40, 0]);
  });

  it('restart a hold after a stall of Redis, during which no heartbeat could arrive', async () => {
    const leases = await put(10);
    await advance(TTL_MS);
    expect(await heldNow()).toBe(true);
    // A grace period of 30 s follows in which nothing expires.
    await advance(10 * TTL_MS, { standstill: true });
    for (let second = 0; second < 30; second++) expect(await advance(1_000)).toBe(0);
    await store.renew(leases.slice(0, 3));
    expect(await advance(1_000)).toBe(0);
    expect(await heldNow()).toBe(true);
    expect(await advance(TTL_MS - 2_000)).toBe(0);
    expect(await advance(1_000)).toBe(7);
  });

  it('hold instances whose leases expired during a stall until heartbeats could arrive', async () => {
    const leases = await put(10);
    await store.sweep();
    await advance(10 * TTL_MS, { standstill: true });
    for (let second = 0; second < 30; second++) expect(await advance(1_000)).toBe(0);
    expect(await heldNow()).toBe(true);
    expect(await store.renew(leases)).toEqual(leases.map(() => true));
    expect(await advance(1_000)).toBe(0);
    expect(await heldNow()).toBe(false);
  });

  it('hold each of two waves for one more lease of its own', async () => {
    await put(60);
    await advance(TTL_MS / 2);
    await put(30, 'late');
    const alive = await put(10, 'alive');
    const taken: [number, number][] = [];
    for (let second = TTL_MS / 2_000; second <= 170; second++) {
      if (second % 20 === 0) await store.renew(alive);
      const count = await advance(1_000);
      if (count > 0) taken.push([second + 1, count]);
    }
    expect(taken).toEqual([
      [120, 60],
      [150, 30],
    ]);
    expect(await heldNow()).toBe(false);
  });

  it('keep working when the clock of Redis goes back', async () => {
    const leases = await put(10);
    await advance(TTL_MS);
    await advance(TTL_MS);
    await recorder.until('the end', () => !recorder.snapshot.services.has('users'));
    time -= 3 * TTL_MS;
    await client.setTime(time);
    const fresh = await put(10, 'fresh');
    for (let second = 0; second < 3; second++) expect(await advance(1_000)).toBe(0);
    expect(await store.renew(leases)).toEqual(leases.map(() => false));
    expect(await store.renew(fresh)).toEqual(fresh.map(() => true));
  });

  it('decide like the store in memory in random runs', async () => {
    const random = seededRandom(3);
    const pick = (below: number): number => Math.floor(random() * below);
    const clock = new ManualClock();
    const memory = new MemoryRegistryStore({ clock });
    toClose.push(() => memory.close());
    const services = [6_000, 9_000, 12_000].map((ttlMs) => ({ name: `s${ttlMs}`, ttlMs, silent: new Set<string>() }));
    const leases = new Map<string, [Lease, Lease]>();
    const held = new Set<string>();
    const inRedis = async (name: string): Promise<unknown> => {
      const ids = await client.zrange(`sd:{default:${name}}:leases`, '0', '-1');
      const hold = await client.hmget(`sd:{default:${name}}:meta`, 'holdOverdue', 'holdTotal', 'holdSince');
      if (hold[0] !== null) held.add(`${name} ${hold.join('/')}`);
      return [ids.sort(), hold[0] === null ? null : hold.map(Number)];
    };
    const inMemory = async (name: string): Promise<unknown> => {
      for await (const change of memory.watch({ services: [name] }, new AbortController().signal)) {
        if (change.type !== 'reset') continue;
        const hold = change.holds?.get(name);
        const ids = change.instances.map(({ instanceId }) => instanceId).sort();
        return [ids, hold ? [hold.overdue, hold.total, hold.since - clock.epoch() + time] : null];
      }
      return undefined;
    };
    for (let step = 0; step < 400; step++) {
      for (const { name, ttlMs, silent } of services) {
        for (let index = 0; index < 12; index++) {
          const instance = instanceOf(`i${index}`, name, ttlMs);
          const key = `${name}/i${index}`;
          const known = leases.get(key);
          if (pick(60) === 0) silent[silent.has(key) ? 'delete' : 'add'](key);
          if (!known || pick(80) === 0) {
            if (!silent.has(key))
              leases.set(key, [await store.put(instance, ttlMs), await memory.put(instance, ttlMs)]);
          } else if (pick(150) === 0) {
            expect(await store.remove(known[0])).toBe(await memory.remove(known[1]));
            leases.delete(key);
          } else if (!silent.has(key) && (step + index) % (ttlMs / 3_000) === 0) {
            const answers = [await store.renew([known[0]]), await memory.renew([known[1]])];
            expect(answers[0]).toEqual(answers[1]);
            if (!answers[0]![0]) leases.delete(key);
          }
        }
        // From time to time most of a service is silent for a while.
        if (pick(40) === 0) for (let index = 0; index < 9; index++) silent.add(`${name}/i${index}`);
        if (pick(15) === 0) silent.clear();
      }
      await advance(1_000);
      await clock.advanceAsync(1_000);
      for (const { name } of services) expect([step, await inRedis(name)]).toEqual([step, await inMemory(name)]);
    }
    expect(held.size).toBeGreaterThan(10);
  });

  it('ignore changes that only newer processes know', async () => {
    await put(3);
    const meta = 'sd:{default:users}:meta';
    const [epoch, previous] = await client.hmget(meta, 'epoch', 'tag');
    const sequence = await client.hincrby(meta, 'sequence', 1);
    await client.hset(meta, 'tag', 'abc');
    const change = ['levitate', 'i0', '{}'].join('\n');
    await client.xadd('sd:{default:users}:changes', `${sequence}-0`, 'change', change, 'tag', 'abc');
    await client.publish('sd:{default:users}:changes', `${epoch} ${sequence} ${previous} abc ${change}`);
    await put(1, 'next');
    await recorder.until('the next one', () => recorder.snapshot.services.get('users')?.length === 4);
    expect(recorder.changes.map(({ type }) => type)).toEqual(['reset', 'put', 'put', 'put', 'put']);
    expect(troubles.filter(({ kind }) => kind === 'gap')).toEqual([]);
  });
});

describe('the pace of attempts to sweep', () => {
  let others: Socket[];
  let store: RedisRegistryStore;
  let clock: ManualClock;
  let pulses: ManualClock;

  beforeEach(async () => {
    clock = new ManualClock();
    pulses = new ManualClock();
    others = [];
    store = new RedisRegistryStore({ url: server.url }, { clock, expiryClock: pulses, random: () => 0.5 });
  });
  afterEach(async () => {
    for (const socket of others) socket.destroy();
    await store.close();
  });

  /** This many other processes listen. */
  async function listen(count: number): Promise<void> {
    others = Array.from({ length: count }, () => connect(server.port, '127.0.0.1'));
    for (const socket of others) socket.write('SUBSCRIBE sd:{default}:processes\r\n');
    await Promise.all(others.map((socket) => once(socket, 'data')));
  }

  /** How often the process tried to sweep in that many intervals. */
  async function triesAt(count: number): Promise<number> {
    for (let pulse = 0; pulse < count; pulse++) {
      clock.advance(1_000);
      pulses.advance(1_000);
      await pollUntil('the pulse is over and the next one is due', () => pulses.pendingTimers === 1);
    }
    const stats = await server.client().info('commandstats');
    return Number(/^cmdstat_pubsub\|numsub:calls=(\d+)/m.exec(stats)?.[1]);
  }

  /** Starts the sweep interval. */
  async function register(): Promise<void> {
    const registration = { serviceName: 'users', instanceId: 'one', host: '127.0.0.1', port: 8080 };
    await store.put(toInstance(registration, { ttlMs: 60_000, now: 0 }), 60_000);
  }

  it('one of few processes tries to sweep in each interval', async () => {
    await register();
    await listen(3);
    expect(await triesAt(10)).toBe(10);
  });

  it('one of three thousand processes tries in every third interval, so that Redis is not kept busy', async () => {
    await register();
    await listen(3_000);
    expect(await triesAt(10)).toBe(4);
  });
});
