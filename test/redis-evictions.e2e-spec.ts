import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../libs/service-discovery/src/common/index.js';
import { type Lease } from '../libs/service-discovery/src/model/index.js';
import { ServiceRegistry } from '../libs/service-discovery/src/registry/index.js';
import { type RedisRegistryStore, type RedisTrouble } from '../libs/service-discovery/src/store/index.js';
import { type ChangeRecorder, ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { ClockedRedis } from './support/clocked-redis.js';
import { pollUntil } from './support/poll.js';
import { idsOf, instanceOf, RedisSetting, TTL_MS } from './support/redis-setting.js';

const redis = new RedisSetting();
afterEach(() => redis.end());

const keyOf = (part: string): string => `sd:{default:users}:${part}`;

describe('a lost records key', () => {
  it('does not remove a live instance: its process registers it again at the next heartbeat', async () => {
    await redis.startServer();
    // Only heartbeats can detect it.
    const quiet = { expiryClock: new ManualClock() };
    const store = redis.openStore({}, quiet);
    const lease = await store.put(instanceOf('a'), TTL_MS);
    expect(await store.renew([lease])).toEqual([true]);
    await redis.server.client().del(keyOf('records'));
    expect(await store.renew([lease])).toEqual([false]);
    const again = await store.recover(instanceOf('a'), TTL_MS, lease.generation);
    expect(await store.renew([again!])).toEqual([true]);
    expect(idsOf(await redis.watching(redis.openStore({}, quiet)))).toEqual(['a']);
  });

  it('does not publish an instance without its record after a health check', async () => {
    await redis.startServer();
    const quiet = { expiryClock: new ManualClock() };
    const [store, reader] = [redis.openStore({}, quiet), redis.openStore({}, quiet)];
    const lease = await store.put(instanceOf('a'), TTL_MS);
    const recorder = await redis.watching(reader);
    const client = redis.server.client();
    await client.del(keyOf('records'));
    const before = await client.hgetall(keyOf('states'));
    expect(await store.setStatus(lease, 'healthy', { checkedAt: 1 })).toBe(false);
    expect(await store.setStatus(lease, 'maintenance')).toBe(false);
    expect(await client.hgetall(keyOf('states'))).toEqual(before);
    await store.put(instanceOf('b'), TTL_MS);
    await recorder.until('b', () => idsOf(recorder).includes('b'));
    expect(idsOf(recorder)).toEqual(['a', 'b']);
    expect(reader.troubleCounts.bad_record).toBe(0);
  });

  it('is restored by a process that reads the service, without a new registration', async () => {
    await redis.startServer();
    const troubles: RedisTrouble[] = [];
    const store = redis.openStore({}, { onTrouble: (trouble) => troubles.push(trouble) });
    const lease = await store.put(instanceOf('a', { zone: 'b' }), TTL_MS);
    await store.setStatus(lease, 'healthy', { checkedAt: 1, data: { db: 'up' } });
    const recorder = await redis.watching(store);
    const client = redis.server.client();
    const parts = ['records', 'states', 'details', 'leases'].map(keyOf);
    const held = (): Promise<unknown> => Promise.all([client.hgetall(parts[0]!), client.hgetall(parts[2]!)]);
    const before = await held();
    await client.del(...parts.slice(0, 3));
    await recorder.waitFor('its return', ({ type }) => type === 'put');
    expect(await held()).toEqual(before);
    expect(await store.renew([lease])).toEqual([true]);
    expect(troubles.map(({ kind, serviceName }) => [kind, serviceName])).toEqual([['restored', 'users']]);
    const [another] = (await redis.watching(redis.openStore())).snapshot.services.get('users')!;
    const [known] = recorder.snapshot.services.get('users')!;
    expect(another).toEqual({ ...known, lastHeartbeat: another!.lastHeartbeat });
  });

  it('is restored with the claim of its registration, so that its process can recover it again', async () => {
    await redis.startServer();
    const store = redis.openStore();
    const { generation: claim } = await store.put(instanceOf('a'), TTL_MS);
    const recovered = await store.recover(instanceOf('a'), TTL_MS, claim);
    expect(recovered!.generation).toBeGreaterThan(claim);
    const recorder = await redis.watching(store);
    const client = redis.server.client();
    await client.del(keyOf('states'));
    await recorder.waitFor('its return', ({ type }) => type === 'put');
    await client.del(keyOf('records'));
    expect(await store.recover(instanceOf('a'), TTL_MS, claim)).not.toBeNull();
  });

  it('is restored together with all other keys of the service except its numbers', async () => {
    await redis.startServer();
    const client = new ClockedRedis(redis.server.port, '127.0.0.1');
    redis.atEnd(() => client.disconnect());
    const clock = new ManualClock();
    await client.setTime(Date.UTC(2026, 0, 1));
    const store = redis.openStore(
      { client },
      { clock: { ...systemClock, now: () => clock.now() }, expiryClock: clock },
    );
    const lease = await store.put(instanceOf('a'), TTL_MS);
    await redis.watching(store);
    await client.del(...['records', 'states', 'details', 'leases', 'changes'].map(keyOf));
    expect(await store.renew([lease])).toEqual([false]);
    // Everything is audited within 45 s.
    await pollUntil('its return', async () => {
      await clock.advanceAsync(1_000);
      return (await client.hlen(keyOf('records'))) === 1;
    });
    expect(await store.renew([lease])).toEqual([true]);
  });
});

describe('a lost leases key', () => {
  it('leaves no permanent zombie: a dead instance expires one lease later', async () => {
    await redis.startServer();
    const client = new ClockedRedis(redis.server.port, '127.0.0.1');
    redis.atEnd(() => client.disconnect());
    let time = Date.UTC(2026, 0, 1);
    await client.setTime(time);
    const store = redis.openStore({ client }, { expiryClock: new ManualClock() });
    const sweepAfter = async (ms: number): Promise<number> => {
      await client.setTime((time += ms));
      await client.hset('sd:{default}:sweep', 'at', time - 1_000);
      return store.sweep();
    };
    const leases = await Promise.all(['dead', 'alive'].map((id) => store.put(instanceOf(id), TTL_MS)));
    const recorder = await redis.watching(store);
    await client.del(keyOf('leases'));
    expect(await sweepAfter(1_000)).toBe(0);
    expect(await sweepAfter(TTL_MS - 1)).toBe(0);
    expect(await store.renew(leases.slice(1))).toEqual([true]);
    expect(await sweepAfter(1)).toBe(1);
    await recorder.until('the end', () => idsOf(recorder).join() === 'alive');
  });
});

describe('a leases key that is lost repeatedly', () => {
  it.each([
    ['a sweep', ['leases']],
    ['a reader', ['leases', 'records', 'states']],
  ])('and replaced by %s keeps live instances, and expires a dead one after one lease', async (_by, parts) => {
    await redis.startServer();
    const client = new ClockedRedis(redis.server.port, '127.0.0.1');
    redis.atEnd(() => client.disconnect());
    let time = Date.UTC(2026, 0, 1);
    await client.setTime(time);
    const clock = new ManualClock();
    const store = redis.openStore(
      { client },
      { clock: { ...systemClock, now: () => clock.now() }, expiryClock: clock },
    );
    const leases = await Promise.all(['dead', 'alive'].map((id) => store.put(instanceOf(id), TTL_MS)));
    const recorder = await redis.watching(store);
    const sweptAt = (at: number): Promise<unknown> => client.hset('sd:{default}:sweep', 'at', at);
    const ended: number[] = [];
    for (let elapsed = 0; elapsed < 2 * TTL_MS; elapsed += TTL_MS / 4) {
      await client.setTime(time);
      await sweptAt(time);
      await client.del(...parts.map(keyOf));
      await pollUntil('the records', async () => {
        if ((await client.hexists(keyOf('records'), 'alive')) === 1) return true;
        await clock.advanceAsync(1_000);
        return false;
      });
      await sweptAt(time - 1_000);
      ended.push(await store.sweep());
      expect(await store.renew(leases.slice(1))).toEqual([true]);
      time += TTL_MS / 4;
    }
    expect(ended).toEqual([0, 0, 0, 0, 1, 0, 0, 0]);
    await recorder.until('the end', () => idsOf(recorder).join() === 'alive');
  });
});

describe('the change numbers of a service', () => {
  const expiries = async (): Promise<number[]> => {
    const client = redis.server.client();
    return [await client.pttl(keyOf('meta')), await client.pttl(keyOf('changes'))];
  };
  const NEVER = [-1, -1];

  it('stay when an instance deregisters after all leases were lost, and expire after the last one has', async () => {
    await redis.startServer();
    const store = redis.openStore({}, { expiryClock: new ManualClock() });
    const [a, b, c] = await Promise.all(['a', 'b', 'c'].map((id) => store.put(instanceOf(id), TTL_MS)));
    await redis.server.client().del(keyOf('leases'));
    await store.remove(a!);
    expect(await expiries()).toEqual(NEVER);
    // Its state is lost too, so another part of the script removes it.
    await redis.server.client().hdel(keyOf('states'), 'b');
    await store.remove(b!);
    expect(await expiries()).toEqual(NEVER);
    await store.remove(c!);
    for (const ms of await expiries()) expect(ms).toBeGreaterThan(0);
  });

  it('stay when the service comes back without a registration', async () => {
    await redis.startServer();
    const store = redis.openStore({}, { expiryClock: new ManualClock() });
    await store.put(instanceOf('a'), TTL_MS);
    const client = redis.server.client();
    for (const part of ['meta', 'changes']) await client.pexpire(keyOf(part), 86_400_000);
    await store.sweep();
    expect(await expiries()).toEqual(NEVER);
  });
});

describe('a service that the index of names has lost', () => {
  const quiet = { expiryClock: new ManualClock() };
  let store: RedisRegistryStore;
  let leases: readonly Lease[];
  const newcomerAfterLosing = async (...parts: string[]): Promise<ChangeRecorder> => {
    await redis.startServer();
    store = redis.openStore({}, quiet);
    leases = await Promise.all(['a', 'b'].map((id) => store.put(instanceOf(id), TTL_MS)));
    await redis.watching(store);
    await redis.server.client().del('sd:{default}:names', ...parts.map(keyOf));
    const newcomer = await redis.watching(redis.openStore({}, quiet));
    expect(idsOf(newcomer)).toEqual([]);
    return newcomer;
  };

  it('is found at its next heartbeat by a process that started in between', async () => {
    const newcomer = await newcomerAfterLosing();
    expect(await store.renew(leases)).toEqual([true, true]);
    await newcomer.until('both', () => idsOf(newcomer).join() === 'a,b');
  });

  it('is found at the next sweep by a process that started in between', async () => {
    const newcomer = await newcomerAfterLosing();
    await store.sweep();
    await newcomer.until('both', () => idsOf(newcomer).join() === 'a,b');
  });

  it('is found completely at its next change, even if its numbers were lost', async () => {
    const newcomer = await newcomerAfterLosing('meta', 'changes');
    await store.put(instanceOf('c'), TTL_MS);
    await newcomer.until('all three', () => idsOf(newcomer).sort().join() === 'a,b,c');
  });
});

describe('the 10 s grace period for instances that Redis lost', () => {
  it('starts at the first loss: a dead process is not shown while Redis keeps restarting', async () => {
    await redis.startServer();
    const clock = new ManualClock();
    const registryOver = async (): Promise<ServiceRegistry> => {
      const registry = new ServiceRegistry(redis.openStore(), {}, { clock });
      redis.atEnd(() => registry.close());
      await registry.start();
      return registry;
    };
    const [reader, living, dead] = [await registryOver(), await registryOver(), await registryOver()];
    const at = { serviceName: 'users', host: '127.0.0.1', port: 8080 };
    await living.register({ ...at, instanceId: 'living' });
    await dead.register({ ...at, instanceId: 'dead' });
    const shown = (): string =>
      reader
        .getInstances('users')
        .map(({ instanceId }) => instanceId)
        .sort()
        .join();
    await pollUntil('both', async () => shown() === 'dead,living');
    await dead.close();

    const restart = async (): Promise<void> => {
      const before = living.ownLeases()[0]!.generation;
      await redis.server.kill();
      await pollUntil('the loss', async () => !reader.snapshot.connected && !living.snapshot.connected);
      await redis.server.startAgain();
      await pollUntil('its return', async () => {
        await clock.advanceAsync(10);
        return living.ownLeases()[0]!.generation > before && reader.getInstances('users').length > 0;
      });
      await pollUntil('the living', async () => reader.snapshot.connected && shown().includes('living'));
    };
    await restart();
    const lostAt = clock.now();
    expect(shown()).toBe('dead,living');
    await clock.advanceAsync(8_000);
    await restart();
    // Time during which Redis was unreachable does not count; time before does.
    await clock.advanceAsync(2_500);
    expect(shown()).toBe('living');
    expect(clock.now() - lostAt).toBeLessThan(18_000);
  });
});

describe('a Redis that may evict the registry', () => {
  it('is warned of once at the start, with its policy and what to do', async () => {
    await redis.startServer({ args: ['--maxmemory', '64mb', '--maxmemory-policy', 'allkeys-lru'] });
    const troubles: RedisTrouble[] = [];
    const store = redis.openStore({}, { onTrouble: (trouble) => troubles.push(trouble) });
    await store.put(instanceOf('a'), TTL_MS);
    await pollUntil('the warning', async () => troubles.length > 0);
    await store.put(instanceOf('b'), TTL_MS);
    expect(troubles).toEqual([{ kind: 'evictable', reason: expect.stringMatching(/allkeys-lru.*noeviction/) }]);
  });

  it('is not warned of if it spares keys without a TTL', async () => {
    await redis.startServer({ args: ['--maxmemory', '64mb', '--maxmemory-policy', 'volatile-lru'] });
    const store = redis.openStore();
    await store.put(instanceOf('a'), TTL_MS);
    await redis.watching(store);
    expect(store.troubleCounts.evictable).toBe(0);
  });
});
