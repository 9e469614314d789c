import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../libs/service-discovery/src/common/index.js';
import { RedisRegistryStore } from '../libs/service-discovery/src/store/index.js';
import { ManualClock } from '../libs/service-discovery/src/testing/index.js';
import { registryStoreContract } from '../libs/service-discovery/src/testing/registry-store-contract.js';
import { ClockedCluster } from './support/clocked-redis.js';
import { documentedRules } from './support/acl-rules.js';
import { pollUntil } from './support/poll.js';
import { NODE_TIMEOUT_MS, RedisCluster } from './support/redis-cluster.js';
import { type RedisServer } from './support/redis-server.js';
import { RegistryProcess } from './support/registry-process.js';
import { report, sinceMs } from './support/timing.js';

let cluster: RedisCluster;
let registries = 0;
beforeAll(async () => {
  cluster = await RedisCluster.start({ replicas: true });
});
afterAll(() => cluster.stop());

describe('RedisRegistryStore on a Cluster', () => {
  registryStoreContract({ describe, it, beforeEach, afterEach }, async () => {
    // Messages of another registry may still be on their way between the nodes.
    const namespace = `contract-${++registries}`;
    let time = Date.UTC(2026, 0, 1);
    const clients: ClockedCluster[] = [];
    const stores: RedisRegistryStore[] = [];
    const open = (): RedisRegistryStore => {
      const client = new ClockedCluster(cluster.masters.map(({ port }) => ({ host: '127.0.0.1', port })));
      const store = new RedisRegistryStore({ client, namespace }, { expiryClock: new ManualClock() });
      clients.push(client);
      stores.push(store);
      return store;
    };
    const store = open();
    clients[0]!.setTime(time);
    return {
      store,
      another: async () => open(),
      advance: async (ms) => {
        time += ms;
        clients[0]!.setTime(time);
        // As if other processes had swept all the time, so that it does not count as a stall.
        await clients[0]!.hset(`sd:{${namespace}}:sweep`, 'at', time - 1_000);
        await store.sweep();
      },
      close: async () => {
        await Promise.all(stores.map((one) => one.close()));
        for (const client of clients) client.disconnect();
      },
    };
  });
});

const SERVICES = Array.from({ length: 60 }, (_, index) => `service-${index}`);
/** How many services each master holds. */
const spread = async (): Promise<number[]> =>
  Promise.all(cluster.masters.map(async (master) => (await master.client().keys('sd:{default:*}:records')).length));

describe('a registry on a Cluster', () => {
  let one: RegistryProcess;
  let two: RegistryProcess;

  beforeEach(async () => {
    await cluster.flush();
    [one, two] = await Promise.all([
      RegistryProcess.start({ url: cluster.url }),
      RegistryProcess.start({ url: cluster.url }),
    ]);
    await Promise.all(SERVICES.map((name, index) => (index % 2 ? one : two).register(name, 'a')));
    await Promise.all([one, two].map((process) => process.until(() => isComplete(process))));
  });
  afterEach(() => Promise.all([one, two].map((process) => process.close())));

  const isComplete = (process: RegistryProcess): boolean => SERVICES.every((name) => process.ids(name).join() === 'a');
  /** Fails as soon as a process sees fewer instances than there are. */
  const watchForLosses = (): string[] => {
    const losses: string[] = [];
    for (const process of [one, two]) {
      process.registry.onChange(() => {
        const missing = SERVICES.filter((name) => process.ids(name).length === 0);
        if (missing.length > 0) losses.push(missing.join());
      });
    }
    return losses;
  };
  const expectAllAtRest = async (): Promise<void> => {
    const fresh = await RegistryProcess.start({ url: cluster.url });
    expect(SERVICES.filter((name) => fresh.ids(name).join() !== 'a')).toEqual([]);
    await fresh.close();
  };

  it('spreads the services over the masters', async () => {
    const counts = await spread();
    report(`${SERVICES.length} services on three masters: ${counts.join(', ')}`);
    expect(counts.reduce((sum, count) => sum + count)).toBe(SERVICES.length);
    for (const count of counts) expect(count).toBeGreaterThanOrEqual(SERVICES.length / 6);
  });

  it('needs no more permissions than documented', async () => {
    const rules = [...(await documentedRules()), '+cluster|slots', '+cluster|info', '+asking', '+client|setname'];
    for (const node of cluster.nodes) await node.client().call('ACL', 'SETUSER', 'shop', 'on', '>secret', ...rules);
    const url = cluster.url.replace('//', '//shop:secret@');
    const process = await RegistryProcess.start({ url, namespace: 'shop' });
    for (const name of SERVICES) await process.register(name, 'a');
    await process.until(() => isComplete(process));
    await process.close();
    const refused = await Promise.all(cluster.nodes.map((node) => node.client().call('ACL', 'LOG')));
    expect(refused.flat()).toEqual([]);
  });

  it('loses nothing while slots with services are moved', async () => {
    const [from, to] = cluster.masters as [RedisServer, RedisServer];
    const losses = watchForLosses();
    let isMoving = true;
    let changes = 0;
    const changing = (async () => {
      for (; isMoving; changes++) {
        const name = SERVICES[changes % SERVICES.length]!;
        const lease = one.registry.getInstance({ serviceName: name, instanceId: 'a' })!;
        await one.registry.setStatus(lease, changes % 2 ? 'up' : 'maintenance');
        await one.register('comes-and-goes', `i${changes % 3}`);
        await one.registry.deregister({ serviceName: 'comes-and-goes', instanceId: `i${changes % 3}` });
      }
    })();
    const start = systemClock.now();
    const slots = await cluster.usedSlots(from);
    for (const slot of slots) await cluster.moveSlot(slot, from, to);
    const movedMs = sinceMs(start);
    // Each service still publishes changes, and accepts heartbeats.
    for (const name of SERVICES) await one.register(name, 'b');
    await two.until(() => SERVICES.every((name) => two.ids(name).join() === 'a,b'));
    for (const name of SERVICES) await one.registry.deregister({ serviceName: name, instanceId: 'b' });
    isMoving = false;
    await changing;
    await Promise.all([one, two].map((process) => process.until(() => isComplete(process))));
    report(
      `${slots.length} slots moved in ${movedMs} ms, with ${changes} rounds of changes at the same time; now ${(await spread()).join(', ')}`,
    );
    expect(slots.length).toBeGreaterThan(5);
    expect(losses).toEqual([]);
    expect(one.recoveries + two.recoveries).toBe(0);
    await expectAllAtRest();
  });

  it('loses nothing when a master is killed and its replica takes over', async () => {
    const [dead, heir] = [cluster.masters[1]!, cluster.replicas[1]!];
    const losses = watchForLosses();
    const slots = await cluster.usedSlots(dead);
    const held = SERVICES.filter((_, index) => index % 3 === 0);
    const start = systemClock.now();
    await dead.kill();
    const takenOver = pollUntil('the replica takes over', async () =>
      (await heir.client().info('replication')).includes('role:master'),
    ).then(() => sinceMs(start));
    await Promise.all(held.map((name) => one.registerAtLast(name, 'b')));
    const writtenMs = sinceMs(start);
    await two.until(() => held.every((name) => two.ids(name).join() === 'a,b'));
    const seenMs = sinceMs(start);
    const failoverMs = await takenOver;
    report(
      `a master with ${slots.length} slots of services killed, node timeout ${NODE_TIMEOUT_MS} ms: its replica took over ` +
        `after ${failoverMs} ms, all services written after ${writtenMs} ms, and seen after ${seenMs} ms`,
    );
    expect(slots.length).toBeGreaterThan(5);
    expect(seenMs).toBeLessThan(failoverMs + 5_000);
    expect(losses).toEqual([]);
    for (const name of held) await one.registry.deregister({ serviceName: name, instanceId: 'b' });
    await Promise.all([one, two].map((process) => process.until(() => isComplete(process))));
    await expectAllAtRest();
  });
});
