import { afterAll, beforeAll, describe, it } from '@jest/globals';
import fc from 'fast-check';
import { type Clock, systemClock } from '../libs/service-discovery/src/common/index.js';
import { RedisRegistryStore, RemoteRegistryStore } from '../libs/service-discovery/src/store/index.js';
import { FlakyRegistryStore } from '../libs/service-discovery/src/testing/flaky-registry-store.js';
import { ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { ClockedCluster, ClockedRedis } from './support/clocked-redis.js';
import { modelRuns } from './support/model-runs.js';
import { RedisCluster } from './support/redis-cluster.js';
import { RedisServer } from './support/redis-server.js';
import { holdsFor, steps } from './support/registry-model.js';
import { type SharedStore } from './support/registry-world.js';
import { startRestApp } from './support/rest-app.js';

/** Audits follow the test's clock; connections and their timeouts are real. */
function clocksOf(clock: Clock): { clock: Clock; expiryClock: Clock } {
  return { clock: { ...systemClock, now: () => clock.now() }, expiryClock: clock };
}

function holdsOn(name: string, runs: number, open: () => Promise<SharedStore>): void {
  it(`${name}: all processes see exactly the registered instances in the end`, async () => {
    const property = fc.asyncProperty(steps, async (all) => holdsFor(await open(), all));
    await fc.assert(property, modelRuns(name, runs));
  }, 600_000);
}

describe('random registrations, outages and restarts', () => {
  let server: RedisServer;
  let cluster: RedisCluster;
  let registries = 0;
  beforeAll(async () => {
    [server, cluster] = await Promise.all([RedisServer.start(), RedisCluster.start()]);
  });
  afterAll(() => Promise.all([server.stop(), cluster.stop()]));

  holdsOn('memory', 50, async () => {
    const clock = new ManualClock();
    const store = new FlakyRegistryStore(clock);
    return {
      open: () => Object.create(store, { close: { value: async () => undefined } }) as FlakyRegistryStore,
      advance: (ms) => clock.advanceAsync(ms),
      forget: () => store.restart(),
      close: () => store.close(),
    };
  });

  holdsOn('Redis', 12, async () => {
    await server.flush();
    let time = Date.UTC(2026, 0, 1);
    const client = new ClockedRedis(server.port, '127.0.0.1');
    await client.setTime(time);
    const sweeping = new RedisRegistryStore({ client }, { expiryClock: new ManualClock() });
    return {
      open: (clock) => new RedisRegistryStore({ client }, clocksOf(clock)),
      advance: async (ms) => {
        time += ms;
        await client.setTime(time);
        // As if other processes had swept all the time, so that it does not count as a stall.
        await client.hset('sd:{default}:sweep', 'at', time - 1_000);
        await sweeping.sweep();
      },
      forget: async () => {
        await server.flush();
        await client.setTime(time);
      },
      close: async () => {
        await sweeping.close();
        client.disconnect();
      },
    };
  });

  holdsOn('Redis Cluster', 4, async () => {
    // Messages of another registry may still be on their way between the nodes.
    const namespace = `model-${++registries}`;
    let time = Date.UTC(2026, 0, 1);
    const client = new ClockedCluster(cluster.masters.map(({ port }) => ({ host: '127.0.0.1', port })));
    client.setTime(time);
    const sweeping = new RedisRegistryStore({ client, namespace }, { expiryClock: new ManualClock() });
    return {
      open: (clock) => new RedisRegistryStore({ client, namespace }, clocksOf(clock)),
      advance: async (ms) => {
        time += ms;
        client.setTime(time);
        await client.hset(`sd:{${namespace}}:sweep`, 'at', time - 1_000);
        await sweeping.sweep();
      },
      forget: () => cluster.flush(),
      close: async () => {
        await sweeping.close();
        client.disconnect();
      },
    };
  });

  holdsOn('remote', 6, async () => {
    const clock = new ManualClock();
    const store = new FlakyRegistryStore(clock);
    const rest = await startRestApp('express', { clock, store });
    return {
      open: () => new RemoteRegistryStore({ url: rest.origin }),
      advance: (ms) => clock.advanceAsync(ms),
      forget: () => store.restart(),
      close: () => rest.close(),
    };
  });
});
