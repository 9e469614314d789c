import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../libs/service-discovery/src/common/index.js';
import { RedisRegistryStore } from '../libs/service-discovery/src/store/index.js';
import { COMMAND_TIMEOUT_MS, idsOf, instanceOf, RedisSetting, TTL_MS } from './support/redis-setting.js';
import { sinceMs } from './support/timing.js';
import { unavailable } from './support/unavailable.js';

const redis = new RedisSetting();
afterEach(() => redis.end());

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
