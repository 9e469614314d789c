import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { RedisRegistryStore, type Lease, type ServiceInstance } from 'nest-service-discovery/core';
import { instancesOf, TTL_MS } from '../support/instances.js';
import { shown } from '../support/table.js';
import { Crowd } from './crowd.js';
import { spentBy, type CostOf } from './spent.js';

/** As large as one machine can run together with its Redis. */
const FLEET = {
  instances: 100_000,
  services: 1_000,
  processes: 1_000,
  followed: 10,
  heartbeatSeconds: 30,
  changes: 100,
};
const SECONDS = 30;
/** How often due work is sent: times per second. */
const TICKS = 20;

export const FLEET_HEAD = ['a fleet, each second', 'predicted', 'measured'];

/** The cost of a whole fleet for Redis, next to the sum of its parts. Flushes that Redis first. */
export async function measureFleet(url: string, costs: CostOf): Promise<string[][]> {
  const client = new Redis(url);
  await client.flushall();
  const store = new RedisRegistryStore({ url, commandTimeout: '30s' });
  const crowd = new Crowd(url, 'default');
  try {
    const instances = instancesOf(FLEET.instances, FLEET.services);
    const leases = await Promise.all(instances.map((instance) => store.put(instance, TTL_MS)));
    for (let at = 0; at < FLEET.processes; at += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, n) => crowd.join(1, { services: followedBy(at + n) })));
    }
    const before = await spentBy(client);
    const start = performance.now();
    await live(store, leases, instances);
    const after = await spentBy(client);
    const seconds = (performance.now() - start) / 1_000;
    const predicted = predict(costs);
    const row = (what: string, name: 'cpuMicros' | 'bytesIn' | 'bytesOut', per: number): string[] => [
      what,
      shown(predicted[name] / per),
      shown((after[name] - before[name]) / seconds / per),
    ];
    return [row('CPU ms', 'cpuMicros', 1_000), row('KB in', 'bytesIn', 1_000), row('KB out', 'bytesOut', 1_000)];
  } finally {
    await crowd.leave();
    await store.close();
    client.disconnect();
  }
}

function followedBy(process: number): string[] {
  return Array.from({ length: FLEET.followed }, (_, n) => `service-${(process + n * 97) % FLEET.services}`);
}

/** Individual heartbeats, as from processes of one instance each, and changes. */
async function live(
  store: RedisRegistryStore,
  leases: readonly Lease[],
  instances: readonly ServiceInstance[],
): Promise<void> {
  const beats = FLEET.instances / FLEET.heartbeatSeconds / TICKS;
  const work: Promise<unknown>[] = [];
  const start = performance.now();
  for (let tick = 0; tick < SECONDS * TICKS; tick++) {
    const due = leases.slice(Math.floor(tick * beats), Math.floor((tick + 1) * beats));
    work.push(...due.map((lease) => store.renew([lease])));
    for (let n = 0; n < FLEET.changes / TICKS; n++) {
      work.push(store.put(instances[(((tick * FLEET.changes) / TICKS + n) * 31) % instances.length]!, TTL_MS));
    }
    await pause(Math.max(0, start + ((tick + 1) * 1_000) / TICKS - performance.now()));
  }
  await Promise.all(work);
}

function predict(costOf: CostOf): Record<'cpuMicros' | 'bytesIn' | 'bytesOut', number> {
  const { instances, services, processes, followed, heartbeatSeconds, changes } = FLEET;
  const parts = [
    [instances / heartbeatSeconds, 'heartbeat, alone in its round trip'],
    [services, 'service, a second of sweeps'],
    [processes, 'process, a second of idling'],
    [(processes * followed) / 30, 'service compared by a process'],
    [changes, 'change, no watchers'],
    [(changes * processes * followed) / services, 'change told to one more process'],
  ] as const;
  const sum = { cpuMicros: 0, bytesIn: 0, bytesOut: 0 };
  for (const [count, what] of parts) {
    const one = costOf(what);
    sum.cpuMicros += count * one.cpuMicros;
    sum.bytesIn += count * one.bytesIn;
    sum.bytesOut += count * one.bytesOut;
  }
  return sum;
}
