import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../libs/service-discovery/src/common/index.js';
import { ServiceCommunicator } from '../libs/service-discovery/src/communicator/index.js';
import { type Lease } from '../libs/service-discovery/src/model/index.js';
import { ServiceRegistry } from '../libs/service-discovery/src/registry/index.js';
import { RedisRegistryStore } from '../libs/service-discovery/src/store/index.js';
import { slotOf } from '../libs/service-discovery/src/store/redis/keys.js';
import { ChangeRecorder, FakeTransport, ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { ClockedCluster } from './support/clocked-redis.js';
import { pollUntil } from './support/poll.js';
import { RedisCluster } from './support/redis-cluster.js';
import { type RedisServer } from './support/redis-server.js';
import { instanceOf } from './support/redis-setting.js';
import { report } from './support/timing.js';

const TTL_MS = 9_000;
const HEARTBEAT_MS = 3_000;
const FULL_MS = 20_000;

describe('a Cluster master with full memory', () => {
  let cluster: RedisCluster;
  let client: ClockedCluster;
  let stores: RedisRegistryStore[];
  let time: number;
  beforeAll(async () => {
    cluster = await RedisCluster.start();
    client = new ClockedCluster(cluster.masters.map(({ port }) => ({ host: '127.0.0.1', port })));
    stores = [1, 2].map(() => new RedisRegistryStore({ client }, { expiryClock: new ManualClock() }));
    time = Date.UTC(2026, 0, 1);
    client.setTime(time);
  }, 60_000);
  afterAll(async () => {
    await Promise.all(stores.map((store) => store.close()));
    client.disconnect();
    await cluster.stop();
  });

  const masterOf = (key: string): RedisServer => {
    const [address] = client.slots[slotOf(key)]!;
    return cluster.masters.find(({ port }) => address === `127.0.0.1:${port}`)!;
  };
  /** A service on another master than the keys of the namespace. */
  const serviceElsewhere = (): string => {
    const shared = masterOf('sd:{default}:sweep');
    const names = Array.from({ length: 100 }, (_, index) => `service-${index}`);
    return names.find((name) => masterOf(`sd:{default:${name}}:leases`) !== shared)!;
  };
  /** Advances a second, in which one process sweeps. @returns how many instances were removed */
  const second = async (): Promise<number> => {
    client.setTime((time += 1_000));
    await client.hset('sd:{default}:sweep', 'at', time - 1_000);
    return stores[(time / 1_000) % 2]!.sweep();
  };

  it('expires no live instance, and dead ones only once heartbeats could arrive again', async () => {
    // By then the slots of the masters are known.
    await stores[0]!.remove(await stores[0]!.put(instanceOf('a'), TTL_MS));
    const serviceName = serviceElsewhere();
    const put = (instanceId: string): Promise<Lease> => stores[0]!.put(instanceOf(instanceId, { serviceName }), TTL_MS);
    const [living, dead] = [await put('living'), await put('dead')];
    const recorder = new ChangeRecorder(stores[1]!, { services: [serviceName] });
    await recorder.waitFor('a reset', ({ type }) => type === 'reset');
    const ids = (): string[] => (recorder.snapshot.services.get(serviceName) ?? []).map(({ instanceId }) => instanceId);
    let refused = 0;
    const heartbeat = (): Promise<unknown> => stores[0]!.renew([living]).catch(() => (refused += 1));

    const full = masterOf(`sd:{default:${serviceName}}:leases`).client();
    await full.config('SET', 'maxmemory', '1');
    for (let ms = 0; ms < FULL_MS; ms += 1_000) {
      if (ms % HEARTBEAT_MS === 0) await heartbeat();
      await second();
    }
    expect(refused).toBe(7);
    expect(await full.zcard(`sd:{default:${serviceName}}:leases`)).toBe(2);
    await full.config('SET', 'maxmemory', '0');

    // Leases have expired. The heartbeat comes late, as after a long backoff.
    for (let ms = 0; ms < 30_000; ms += 1_000) expect(await second()).toBe(0);
    expect(await stores[0]!.renew([living])).toEqual([true]);
    expect(ids().sort()).toEqual(['dead', 'living']);
    let taken = 0;
    for (let ms = 0; ms < 60_000; ms += 1_000) {
      if (ms % HEARTBEAT_MS === 0) await heartbeat();
      taken += await second();
    }
    expect(taken).toBe(1);
    await recorder.until('the end of the dead', () => ids().join() === 'living');
    expect(await stores[0]!.renew([dead])).toEqual([false]);
    await recorder.stop();
  });
});

/** `FULL_MASTER_SECONDS=20 npm test -- <spec>` keeps the master full for longer. */
const SECONDS = Number(process.env.FULL_MASTER_SECONDS ?? 5);
/** Leases expire while the master is full. */
const OPTIONS = { serviceTtl: '3s', heartbeatInterval: '1s', trackHeartbeats: true } as const;
const SERVICES = Array.from({ length: 12 }, (_, index) => `service-${index}`);

describe('calls while a Cluster master is full', () => {
  let cluster: RedisCluster;
  const ends: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    cluster = await RedisCluster.start();
  }, 60_000);
  afterAll(async () => {
    for (const end of ends.reverse()) await end();
    await cluster.stop();
  });

  const registryOver = async (): Promise<ServiceRegistry> => {
    const store = new RedisRegistryStore({ url: cluster.url });
    const registry = new ServiceRegistry(store, OPTIONS);
    ends.push(
      () => store.close(),
      () => registry.close(),
    );
    await registry.start();
    return registry;
  };
  const viewOf = ({ snapshot }: ServiceRegistry): string =>
    JSON.stringify(
      [...snapshot.services.values()]
        .flat()
        .map(({ serviceName, instanceId, generation, lastHeartbeat }) => ({
          serviceName,
          instanceId,
          generation,
          lastHeartbeat,
        }))
        .sort((one, other) => (one.serviceName + one.instanceId < other.serviceName + other.instanceId ? -1 : 1)),
    );
  const countIn = ({ snapshot }: ServiceRegistry): number => [...snapshot.services.values()].flat().length;

  it('all succeed, no live instance is dropped, and all views are equal once it has memory again', async () => {
    const owners = await Promise.all([registryOver(), registryOver()]);
    for (const [index, owner] of owners.entries()) {
      for (const serviceName of SERVICES) {
        await owner.register({ serviceName, instanceId: `i${index}`, host: '127.0.0.1', port: 8080 + index });
      }
    }
    const registries = [...owners, await registryOver()];
    const all = SERVICES.length * owners.length;
    for (const registry of registries) await pollUntil(`all ${all} instances`, () => countIn(registry) === all);
    const counts = new Set<number>();
    const stops = registries.map((registry) => registry.onChange(() => counts.add(countIn(registry))));
    const communicator = new ServiceCommunicator({ registry: registries[2]!, transport: new FakeTransport() });
    ends.push(() => communicator.close());

    const full = cluster.masters[0]!.client();
    await full.config('SET', 'maxmemory', '1');
    const failures: unknown[] = [];
    let calls = 0;
    const began = systemClock.now();
    while (systemClock.now() - began < SECONDS * 1_000) {
      const serviceName = SERVICES[calls++ % SERVICES.length]!;
      await communicator.callService(serviceName, { path: '/' }).catch((error: unknown) => failures.push(error));
      await full.ping();
    }
    await full.config('SET', 'maxmemory', '0');
    const freed = systemClock.now();
    const beats = new Map(owners.map((owner) => [owner, viewOf(owner)]));
    await pollUntil('every view has a later heartbeat, and all are equal', () => {
      const [first, ...others] = registries.map(viewOf);
      return first !== beats.get(owners[0]) && others.every((view) => view === first);
    });
    for (const stop of stops) stop();
    report(
      `${calls} calls while a master was full for ${SECONDS} s: ${failures.length} failed; equal ${Math.round(systemClock.now() - freed)} ms after it was freed`,
    );
    expect(failures).toEqual([]);
    expect([...counts]).toEqual([all]);
  }, 120_000);
});
