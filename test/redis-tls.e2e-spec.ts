import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../libs/service-discovery/src/common/index.js';
import { type ServiceInstance, toInstance } from '../libs/service-discovery/src/model/index.js';
import { RedisRegistryStore, type RedisRegistryStoreOptions } from '../libs/service-discovery/src/store/index.js';
import { ChangeRecorder } from '../libs/service-discovery/src/testing/index.js';
import { documentedRules } from './support/acl-rules.js';
import { ANOTHER_CA, CA, CLIENT_TLS, RedisServer, type RedisServerOptions } from './support/redis-server.js';

const TTL_MS = 60_000;
const COMMAND_TIMEOUT_MS = 500;
const instance: ServiceInstance = toInstance(
  { serviceName: 'users', instanceId: 'a', host: '127.0.0.1', port: 8080 },
  { ttlMs: TTL_MS, now: 0 },
);

let server: RedisServer;
let toClose: (() => Promise<unknown>)[];
beforeEach(() => {
  toClose = [];
});
afterEach(async () => {
  for (const close of toClose.reverse()) await close();
});

async function startServer(options: RedisServerOptions): Promise<void> {
  server = await RedisServer.start(options);
  toClose.push(() => server.stop());
}

function openStore(options: RedisRegistryStoreOptions): RedisRegistryStore {
  const store = new RedisRegistryStore({ commandTimeout: COMMAND_TIMEOUT_MS, ...options });
  toClose.push(() => store.close());
  return store;
}

/** Everything that a process does with a registry. */
async function use(options: RedisRegistryStoreOptions): Promise<void> {
  const store = openStore(options);
  const recorder = new ChangeRecorder(store, { renewals: true });
  toClose.push(() => recorder.stop());
  await recorder.waitFor('a reset', ({ type }) => type === 'reset');
  const lease = await store.put(instance, TTL_MS);
  expect(await store.renew([lease])).toEqual([true]);
  expect(await store.setStatus(lease, 'healthy', { checkedAt: 1 })).toBe(true);
  await store.sweep();
  await store.announceChecker('one', TTL_MS);
  expect(await store.remove(lease)).toBe(true);
  await recorder.waitFor('the removal', ({ type }) => type === 'remove');
}

async function failure(options: RedisRegistryStoreOptions): Promise<Error> {
  const start = systemClock.now();
  const error = await openStore(options)
    .put(instance, TTL_MS)
    .then(
      () => undefined,
      (thrown: unknown) => thrown as Error,
    );
  expect(systemClock.now() - start).toBeLessThan(COMMAND_TIMEOUT_MS + 500);
  expect(error).toMatchObject({ code: 'REGISTRY_UNAVAILABLE' });
  return error!;
}

describe('Redis over TLS', () => {
  it('works with a custom CA', async () => {
    await startServer({ tls: 'server' });
    await use({ url: server.url, tls: { ca: CA } });
    await use({ url: server.url.replace('127.0.0.1', 'localhost'), tls: { ca: CA } });
  });

  it('works with a client certificate, and not without', async () => {
    await startServer({ tls: 'both' });
    await use({ url: server.url, tls: CLIENT_TLS });
    expect((await failure({ url: server.url, tls: { ca: CA } })).message).toMatch(/TLS/);
  });

  it.each<[string, () => RedisRegistryStoreOptions, RegExp]>([
    ['the wrong CA', () => ({ url: server.url, tls: { ca: ANOTHER_CA } }), /TLS certificate is not trusted/],
    ['no CA', () => ({ url: server.url }), /TLS certificate is not trusted/],
    [
      'the wrong name',
      () => ({ url: server.url, tls: { ca: CA, servername: 'redis.example' } }),
      /TLS certificate is not trusted/,
    ],
    ['no TLS', () => ({ url: server.url.replace('rediss', 'redis') }), /requires TLS there: use a rediss:/],
  ])('fails with %s, with an error that says so in time', async (_what, options, message) => {
    await startServer({ tls: 'server' });
    expect((await failure(options())).message).toMatch(message);
  });

  it('fails if the server does not support it, with an error that says so in time', async () => {
    await startServer({});
    const { message } = await failure({ url: server.url.replace('redis', 'rediss'), tls: { ca: CA } });
    expect(message).toMatch(/does not speak TLS there/);
  });
});

describe('a URL that does not match the server', () => {
  it.each<[string, (port: number) => string, RegExp]>([
    [
      'a Cluster on a single server',
      (port) => `redis-cluster://:secret@127.0.0.1:${port}`,
      /cluster support disabled.*it is not a Cluster: use a redis:/,
    ],
    ['a Cluster, with a wrong password', (port) => `redis-cluster://:wrong@127.0.0.1:${port}`, /WRONGPASS/],
    [
      'a Cluster that refuses connections',
      () => 'redis-cluster://127.0.0.1:1,127.0.0.1:2',
      /cannot be reached: .*closed/,
    ],
    ['Sentinels on a Redis server', (port) => `redis-sentinel://127.0.0.1:${port}/main`, /it requires a password/],
    [
      'Sentinels that refuse connections',
      () => 'redis-sentinel://:secret@127.0.0.1:1,127.0.0.1:2/main',
      /cannot be reached: .*closed/,
    ],
  ])('is reported in bounded time: %s', async (_what, urlAt, message) => {
    await startServer({ password: 'secret' });
    const error = await failure({ url: urlAt(server.port) });
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/wrong@|secret@/);
  });

  it('is reported if a server without a password is not a Sentinel', async () => {
    await startServer({});
    const { message } = await failure({ url: `redis-sentinel://127.0.0.1:${server.port}/main` });
    expect(message).toMatch(/it is not a Sentinel: use a redis:/);
  });
});

describe('an ACL user', () => {
  const url = (): string => server.url.replace('//', '//shop:secret@');
  async function startWithUser(...rules: string[]): Promise<void> {
    await startServer({});
    await server.client().call('ACL', 'SETUSER', 'shop', 'on', '>secret', ...rules);
  }

  it('needs no more permissions than documented', async () => {
    await startWithUser(...(await documentedRules()));
    await use({ url: url(), namespace: 'shop' });
    const refused = (await server.client().call('ACL', 'LOG')) as unknown[][];
    expect(refused.map((entry) => entry.slice(0, 8))).toEqual([]);
  });

  it.each<[string, string[], RegExp]>([
    ['no permission for the keys', ['~other:*', '&sd:{shop*', '+@all'], /NOPERM.*ACL user lacks a permission/s],
    ['no permission for a command', ['~sd:{shop*', '&sd:{shop*', '+@all', '-hset'], /ACL user lacks a permission/],
    [
      'no permission for scripts',
      ['~sd:{shop*', '&sd:{shop*', '+@all', '-evalsha'],
      /NOPERM.*ACL user lacks a permission/s,
    ],
  ])('with %s gets an error that says so', async (_what, rules, message) => {
    await startWithUser(...rules);
    const error = await failure({ url: url(), namespace: 'shop' });
    expect(error.message).toMatch(message);
    expect(error.message).not.toMatch(/secret/);
  });

  it('without permission for the channels gets an error that says so from the watch', async () => {
    await startWithUser('~sd:{shop*', '+@all');
    const recorder = new ChangeRecorder(openStore({ url: url(), namespace: 'shop' }));
    toClose.push(() => recorder.stop());
    await expect(recorder.ended).rejects.toThrow(/NOPERM.*ACL user lacks a permission/s);
  });
});
