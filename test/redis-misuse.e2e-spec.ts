import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../libs/service-discovery/src/common/index.js';
import { RedisRegistryStore, type RedisTrouble } from '../libs/service-discovery/src/store/index.js';
import { ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { COMMAND_TIMEOUT_MS, idsOf, instanceOf, RedisSetting, TTL_MS } from './support/redis-setting.js';
import { sinceMs } from './support/timing.js';
import { unavailable } from './support/unavailable.js';

const redis = new RedisSetting();
afterEach(() => redis.end());

describe('foreign data in Redis', () => {
  it('is skipped, counted and reported once', async () => {
    await redis.startServer();
    const troubles: RedisTrouble[] = [];
    const writer = redis.openStore();
    for (const id of ['good', 'broken', 'newer', 'partial', 'strange']) await writer.put(instanceOf(id), TTL_MS);
    await writer.put(instanceOf('a', { serviceName: 'orders' }), TTL_MS);
    const client = redis.server.client();
    await client.hset('sd:{default:users}:records', {
      broken: '{oops',
      newer: '{"v":2,"host":"x","port":1}',
      partial: '{"v":1,"host":"x","port":1}',
      strange:
        '{"v":1,"host":"x","port":1,"protocol":"http","path":"","weight":1,"metadata":{},"tags":[],"dependencies":"a"}',
    });
    await client.del('sd:{default:orders}:records');
    await client.set('sd:{default:orders}:records', 'in the way');

    const store = redis.openStore({}, { onTrouble: (trouble) => troubles.push(trouble) });
    expect(idsOf(await redis.watching(store))).toEqual(['good']);
    expect(idsOf(await redis.watching(redis.openStore()))).toEqual(['good']);
    expect(troubles.map(({ kind, serviceName, instanceId }) => [kind, serviceName, instanceId])).toEqual(
      expect.arrayContaining([
        ['bad_record', 'users', 'broken'],
        ['bad_record', 'users', 'newer'],
        ['bad_record', 'users', 'partial'],
        ['bad_record', 'users', 'strange'],
        ['unreadable_service', 'orders', undefined],
      ]),
    );
    expect(store.troubleCounts).toMatchObject({ bad_record: 4 });
    await expect(store.put(instanceOf('b', { serviceName: 'orders' }), TTL_MS)).rejects.toMatchObject(
      unavailable(/refuses: .*WRONGTYPE/),
    );
  });
});

describe('a key of the wrong type', () => {
  const whose = (key: string): RegExp =>
    new RegExp(`refuses: WRONGTYPE: .*${key}.* holds something other than .* delete it`);

  it('in place of the names does not prevent a start, and is named in each error', async () => {
    await redis.startServer();
    await redis.server.client().set('sd:{default}:names', 'in the way');
    const one = redis.member(redis.openStore(), { startTimeout: '1s' });
    const told = new Promise((resolve) => one.bus.on('registry.unavailable', resolve));
    const start = systemClock.now();
    await one.registry.start();
    expect(sinceMs(start)).toBeLessThan(1_500);
    expect(await told).toMatchObject({ reason: expect.stringMatching(whose('sd:{default}:names')) });
    await expect(one.register('a')).rejects.toMatchObject(unavailable(whose('sd:{default}:names')));
    const available = one.next('registry.available');
    await redis.server.client().del('sd:{default}:names');
    await available;
    await one.register('a');
  });

  it('in place of the names fails only registrations, while leases are renewed', async () => {
    await redis.startServer();
    const store = redis.openStore({}, { expiryClock: new ManualClock() });
    const lease = await store.put(instanceOf('a'), TTL_MS);
    await redis.server.client().del('sd:{default}:names');
    await redis.server.client().set('sd:{default}:names', 'in the way');
    expect(await store.renew([lease])).toEqual([true]);
    expect(await store.renew([lease])).toEqual([true]);
    expect(store.troubleCounts.unreadable_namespace).toBe(1);
    const [registered, ...others] = await Promise.allSettled([
      store.put(instanceOf('b'), TTL_MS),
      store.setStatus(lease, 'maintenance'),
      store.remove(lease),
    ]);
    expect(registered).toMatchObject({ reason: unavailable(whose('sd:{default}:names')) });
    expect(others).toEqual([
      { status: 'fulfilled', value: true },
      { status: 'fulfilled', value: true },
    ]);
  });

  it.each<[string, (store: RedisRegistryStore) => Promise<unknown>]>([
    ['names', (store) => store.sweep()],
    ['sweep', (store) => store.sweep()],
    ['checkers', (store) => store.announceChecker('a', 1_000)],
  ])('in place of the %s is counted and reported once, and affects nothing else', async (part, act) => {
    await redis.startServer();
    const key = `sd:{default}:${part}`;
    const troubles: RedisTrouble[] = [];
    const deps = { expiryClock: new ManualClock(), onTrouble: (trouble: RedisTrouble) => troubles.push(trouble) };
    const store = redis.openStore({}, deps);
    const recorder = await redis.watching(store);
    await store.put(instanceOf('a'), TTL_MS);
    await redis.server.client().del(key);
    await redis.server.client().set(key, 'in the way');
    for (let round = 0; round < 3; round++) {
      await expect(act(store)).rejects.toMatchObject(unavailable(whose(key)));
      // Another turn to sweep.
      if (part === 'names') await redis.server.client().del('sd:{default}:sweep');
    }
    expect(troubles).toEqual([{ kind: 'unreadable_namespace', reason: expect.stringMatching(whose(key)) }]);
    expect(store.troubleCounts.unreadable_namespace).toBe(1);
    await recorder.until('a', () => idsOf(recorder).includes('a'));
  });

  it.each(['records', 'details', 'leases', 'meta', 'changes'])(
    'in place of the %s of a service in use leaves no rejected change half done',
    async (part) => {
      await redis.startServer();
      const store = redis.openStore({ selfPreservation: false }, { expiryClock: new ManualClock() });
      const [a] = await Promise.all([store.put(instanceOf('a'), TTL_MS), store.put(instanceOf('b'), 1)]);
      await store.setStatus(a, 'unhealthy', { checkedAt: 1, latencyMs: 1 });
      const recorder = await redis.watching(store);
      const [key, aside] = [`sd:{default:users}:${part}`, `aside:{default:users}`];
      const client = redis.server.client();
      await client.rename(key, aside);
      await client.set(key, 'in the way');
      const refusal = unavailable(whose(key));
      await expect(store.setStatus(a, 'healthy', { checkedAt: 2, latencyMs: 1 })).rejects.toMatchObject(refusal);
      await expect(store.remove(a)).rejects.toMatchObject(refusal);
      await store.sweep();
      expect(store.troubleCounts.unreadable_service).toBe(1);

      await client.rename(aside, key);
      await client.del('sd:{default}:sweep');
      expect(await store.setStatus(a, 'healthy')).toBe(true);
      expect(await store.remove(a)).toBe(true);
      expect(await store.sweep()).toBe(1);
      await recorder.until('the end', () => idsOf(recorder).length === 0);
    },
  );

  it.each(['records', 'states', 'details', 'leases', 'meta', 'changes'])(
    'in place of the %s of a service fails that service and no other',
    async (part) => {
      await redis.startServer();
      await redis.server.client().set(`sd:{default:users}:${part}`, 'in the way');
      const one = redis.member();
      await one.registry.start();
      await expect(one.register('a')).rejects.toMatchObject(unavailable(whose(`sd:{default:users}:${part}`)));
      await one.registry.register({ serviceName: 'orders', instanceId: 'b', host: '127.0.0.1', port: 1 });
      expect(one.registry.snapshot.connected).toBe(true);
      expect([...one.registry.snapshot.services.keys()]).toEqual(['orders']);
      expect(one.store.troubleCounts.unreadable_service).toBeLessThanOrEqual(1);
    },
  );
});

describe('access to Redis', () => {
  describe('a Redis that cannot be used', () => {
    it.each<[string, () => string, RegExp]>([
      [
        'a wrong password',
        () => redis.server.url.replace('//', '//:wrong@'),
        /refuses: .*WRONGPASS|cannot be reached: .*WRONGPASS/,
      ],
      ['no password', () => redis.server.url, /NOAUTH.*it requires a password/],
      [
        'TLS on a server without TLS',
        () => redis.server.url.replace('redis:', 'rediss:').replace('//', '//:secret@'),
        /cannot be reached/,
      ],
      [
        'a wrong password of a Cluster',
        () => redis.server.url.replace('redis://', 'redis-cluster://:wrong@'),
        /WRONGPASS/,
      ],
      ['an address that refuses connections', () => 'redis://127.0.0.1:1', /ECONNREFUSED/],
      ['an unknown host name', () => 'redis://redis.invalid:6379', /cannot be reached/],
    ])('is reported in bounded time: %s', async (_what, url, message) => {
      await redis.startServer({ password: 'secret' });
      const store = redis.openStore({ url: url() });
      const start = systemClock.now();
      for (const act of [() => store.put(instanceOf('a'), TTL_MS), () => redis.watch(store).ended]) {
        const error = await act().then(
          () => undefined,
          (thrown: unknown) => thrown as Error,
        );
        expect(error).toMatchObject(unavailable(message));
        // Nor does logging the error with all its properties.
        expect(inspect(error, { depth: null })).not.toMatch(/wrong@|'wrong'|secret/);
      }
      expect(sinceMs(start)).toBeLessThan(2 * COMMAND_TIMEOUT_MS + 500);
    });

    it('closes a socket that does not answer', async () => {
      const sockets = new Set<Socket>();
      const silent: Server = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1');
      await once(silent, 'listening');
      redis.atEnd(async () => {
        for (const socket of sockets) socket.destroy();
        silent.close();
        await once(silent, 'close');
      });
      const { port } = silent.address() as { port: number };
      const store = redis.openStore({ url: `redis://127.0.0.1:${port}` });
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

  describe('a client of the user', () => {
    it('is used, and stays open', async () => {
      await redis.startServer({ password: 'secret' });
      const client = redis.server.connect();
      redis.atEnd(async () => client.disconnect());
      const store = redis.openStore({ client, namespace: 'shop' });
      const recorder = await redis.watching(store);
      await store.put(instanceOf('a'), TTL_MS);
      await recorder.until('a', () => idsOf(recorder).includes('a'));
      await store.close();
      expect(await client.ping()).toBe('PONG');
      expect(client.listenerCount('close')).toBe(0);
      const names = await client.keys('*');
      expect(names.filter((name) => !/^sd:\{shop(:users)?\}:/.test(name))).toEqual([]);
    });

    it('with a key prefix is rejected, as are other invalid options', async () => {
      await redis.startServer();
      const client = redis.server.connect({ keyPrefix: 'x:' });
      redis.atEnd(async () => client.disconnect());
      expect(() => redis.openStore({ client })).toThrow(/client: .*keyPrefix/);
      const wrong = { url: 'http://:secret@redis', namespace: 'a:b', commandTimeout: 0, changesKept: 1 };
      expect(() => new RedisRegistryStore(wrong)).toThrow(/url[^]*namespace[^]*commandTimeout[^]*changesKept/);
      expect(() => new RedisRegistryStore(wrong)).not.toThrow(/secret/);
    });
  });
});
