import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from '@jest/globals';
import fc from 'fast-check';
import { type Cluster, type Redis } from 'ioredis';
import { pendingInput, systemClock } from '../libs/service-discovery/src/common/index.js';
import { RedisRegistryStore } from '../libs/service-discovery/src/store/index.js';
import { ClockedCluster, ClockedRedis, ClockedSentinelRedis } from './support/clocked-redis.js';
import { type EvictingStore, keysOf, losses, type Step, survives } from './support/lost-keys-model.js';
import { modelRuns } from './support/model-runs.js';
import { RedisCluster } from './support/redis-cluster.js';
import { MASTER_NAME, RedisSentinels } from './support/redis-sentinel.js';
import { RedisServer } from './support/redis-server.js';

const MARKER = 'lost-keys:marker';

/**
 * Messages published on some servers. The test clock may only advance once they have arrived, which takes real time.
 */
class Messages {
  private readonly arrived = new Map<RedisServer, Set<string>>();
  private markers = 0;

  private constructor(private readonly servers: readonly RedisServer[]) {}

  static async on(servers: readonly RedisServer[]): Promise<Messages> {
    const messages = new Messages(servers);
    for (const server of servers) {
      const subscriber = server.connect();
      const arrived = new Set<string>();
      messages.arrived.set(server, arrived);
      subscriber.on('message', (_channel, marker: string) => arrived.add(marker));
      await subscriber.subscribe(MARKER);
      messages.subscribers.push(subscriber);
    }
    return messages;
  }

  private readonly subscribers: Redis[] = [];

  /** Resolves when all earlier messages have arrived: a server delivers messages in order, also to other nodes. */
  async settle(): Promise<void> {
    const markers = this.servers.map(() => String(++this.markers));
    await Promise.all(this.servers.map((server, index) => server.client().publish(MARKER, markers[index]!)));
    const all = [...this.arrived.values()];
    while (!all.every((arrived) => markers.every((marker) => arrived.has(marker)))) await nextTurn();
    for (const arrived of all) arrived.clear();
    // They have been written to all sockets, and have to be read by this process.
    await pendingInput();
  }

  close(): void {
    for (const subscriber of this.subscribers) subscriber.disconnect();
  }
}

/** A store with its own namespace, on a client whose scripts take the time from the test. */
function evicting(
  client: (Redis | Cluster) & { setTime(ms: number): Promise<void> | void },
  namespace: string,
  messages: Messages,
): EvictingStore {
  let time = Date.UTC(2026, 0, 1);
  const setTime = async (): Promise<void> => client.setTime(time);
  const ready = setTime();
  const del = async (keys: readonly string[]): Promise<void> => {
    await ready;
    for (const key of keys) await client.del(key);
  };
  return {
    // Audits follow the test's clock; connections and their timeouts are real.
    open: (clock) =>
      new RedisRegistryStore(
        { client, namespace, selfPreservation: false },
        { clock: { ...systemClock, now: () => clock.now() }, expiryClock: clock },
      ),
    advance: async (ms) => {
      await messages.settle();
      time += ms;
      await setTime();
      // As if other processes had swept all the time, so that it does not count as a stall.
      await client.hset(`sd:{${namespace}}:sweep`, 'at', time - 1_000);
    },
    lose: (serviceName, parts) => del(keysOf(namespace, serviceName, parts)),
    loseShared: (parts) => del(parts.map((part) => `sd:{${namespace}}:${part}`)),
    forget: async () => undefined,
    close: async () => undefined,
  };
}

/** Steps that failed once. */
const FAULTS: [Step[]][] = [
  [
    // The latest registration was lost, and the previous one came back.
    [
      { do: 'lose', service: 'users', parts: ['meta', 'changes'] },
      { do: 'replace', index: 3 },
      { do: 'lose', service: 'users', parts: ['states', 'changes'] },
      { do: 'crash' },
    ],
  ],
  [
    // The same, where no process listened when it was registered.
    [
      { do: 'lose', service: 'users', parts: ['meta', 'changes'] },
      { do: 'replace', index: 0 },
      { do: 'replace', index: 3 },
      { do: 'lose', service: 'users', parts: ['states', 'changes'] },
      { do: 'wait', ms: 500 },
      { do: 'lose', service: 'users', parts: ['leases'] },
      { do: 'lose', service: 'users', parts: ['meta'] },
      { do: 'lose', service: 'users', parts: ['leases'] },
    ],
  ],
];

describe('keys that Redis evicts at random while calls are made', () => {
  let namespaces = 0;
  const holdsOn = (
    name: string,
    runs: number,
    open: () => Parameters<typeof evicting>[0],
    servers: () => readonly RedisServer[],
  ): void => {
    it(`${name}: no instance is missing for calls, and all processes see the registered instances in the end`, async () => {
      const [client, messages] = [open(), await Messages.on(servers())];
      const property = fc.asyncProperty(losses, (all) =>
        survives(evicting(client, `lost-${++namespaces}`, messages), all),
      );
      try {
        const { seed, numRuns } = modelRuns(`${name}, with lost keys`, runs);
        await fc.assert(property, { seed, numRuns: numRuns + FAULTS.length, examples: FAULTS });
      } finally {
        client.disconnect();
        messages.close();
      }
    }, 600_000);
  };

  let server: RedisServer;
  let sentinels: RedisSentinels;
  let cluster: RedisCluster;
  beforeAll(async () => {
    [server, sentinels, cluster] = await Promise.all([
      RedisServer.start(),
      // A failover may lose what replicas do not have yet, which is another test's business.
      RedisSentinels.start({ downAfterMs: 60_000 }),
      RedisCluster.start(),
    ]);
  }, 60_000);
  afterAll(() => Promise.all([server.stop(), sentinels.stop(), cluster.stop()]));

  holdsOn(
    'a single server',
    2,
    () => new ClockedRedis(server.port, '127.0.0.1'),
    () => [server],
  );
  holdsOn(
    'Sentinel',
    1,
    () => new ClockedSentinelRedis(sentinels.addresses, MASTER_NAME),
    () => [sentinels.primary.server],
  );
  holdsOn(
    'Cluster',
    1,
    () => new ClockedCluster(cluster.masters.map(({ port }) => ({ host: '127.0.0.1', port }))),
    () => cluster.masters,
  );
});
