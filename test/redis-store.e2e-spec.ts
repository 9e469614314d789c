import { afterAll, afterEach, beforeAll, beforeEach, describe, it } from '@jest/globals';
import { RedisRegistryStore, type RedisRegistryStoreOptions } from '../libs/service-discovery/src/store/index.js';
import { ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { registryStoreContract } from '../libs/service-discovery/src/testing/registry-store-contract.js';
import { ClockedRedis } from './support/clocked-redis.js';
import { RedisServer } from './support/redis-server.js';

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.stop());

describe.each<[string, RedisRegistryStoreOptions]>([
  ['RedisRegistryStore', {}],
  ['RedisRegistryStore with signed registrations', { signing: { key: 'a'.repeat(32) } }],
])('%s', (_name, options) => {
  registryStoreContract({ describe, it, beforeEach, afterEach }, async () => {
    await server.flush();
    let time = Date.UTC(2026, 0, 1);
    const clients: ClockedRedis[] = [];
    const stores: RedisRegistryStore[] = [];
    const open = (): RedisRegistryStore => {
      const client = new ClockedRedis(server.port, '127.0.0.1');
      const store = new RedisRegistryStore({ client, ...options }, { expiryClock: new ManualClock() });
      clients.push(client);
      stores.push(store);
      return store;
    };
    const store = open();
    await clients[0]!.setTime(time);
    return {
      store,
      another: async () => open(),
      advance: async (ms) => {
        time += ms;
        await clients[0]!.setTime(time);
        // As if other processes had swept all the time, so that it does not count as a stall.
        await clients[0]!.hset('sd:{default}:sweep', 'at', time - 1_000);
        await store.sweep();
      },
      close: async () => {
        await Promise.all(stores.map((one) => one.close()));
        for (const client of clients) client.disconnect();
      },
    };
  });
});
