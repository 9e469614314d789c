import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { RedisRegistryStore, type Change, type Lease, type ServiceInstance } from 'nest-service-discovery/core';
import { instanceAt, instancesOf, TTL_MS } from '../support/instances.js';
import { shown } from '../support/table.js';

const SERVICES = 1_000;
const INSTANCES = 50_000;
const SINGLE_HEARTBEATS = 10_000;
const WATCHERS = 200;
const FEW = 10;
const CHANGES = 500;
const IDLE_SECONDS = 5;

/** What Redis has spent since it started, and holds. */
interface Spent {
  readonly cpuMicros: number;
  readonly memoryBytes: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

interface How {
  /** The same work without what is measured: taken off. */
  readonly without?: Spent;
  /** Whether Redis keeps something of it. */
  readonly holds?: boolean;
}

const NOTHING: Spent = { cpuMicros: 0, memoryBytes: 0, bytesIn: 0, bytesOut: 0 };

/** What one of something costs Redis, as rows of a table: CPU, memory, bytes in, bytes out. */
export const COST_HEAD = ['one', 'CPU µs', 'memory B', 'in B', 'out B'];

/** Empties that Redis first. */
export async function measureCost(url: string): Promise<string[][]> {
  const client = new Redis(url);
  const store = new RedisRegistryStore({ url, commandTimeout: '30s' });
  const crowds: Crowd[] = [];
  const crowdOf = (namespace: string): Crowd => {
    const crowd = new Crowd(url, namespace);
    crowds.push(crowd);
    return crowd;
  };
  const rows: string[][] = [];
  const measure = async (what: string, count: number, work: () => Promise<unknown>, how: How = {}): Promise<Spent> => {
    const before = await spentBy(client);
    await work();
    const total = combine(await spentBy(client), before, (now, then) => now - then);
    const one = combine(total, how.without ?? NOTHING, (all, without) => (all - without) / count);
    const { cpuMicros, memoryBytes, bytesIn, bytesOut } = one;
    rows.push([what, shown(cpuMicros), how.holds ? shown(memoryBytes) : '', shown(bytesIn), shown(bytesOut)]);
    return total;
  };
  try {
    await client.flushall();
    await store.put(instanceAt(0, 1), TTL_MS);
    const instances = instancesOf(INSTANCES, SERVICES);
    const kept = { holds: true };
    await measure('instance registered', INSTANCES, () => putAll(store, instances), kept);
    const leases = await putAll(store, instances);
    await measure('heartbeat, 50 of a service in a call', INSTANCES, () => store.renew(leases));
    const some = leases.slice(0, SINGLE_HEARTBEATS);
    await measure('heartbeat, alone in its round trip', SINGLE_HEARTBEATS, () =>
      Promise.all(some.map((lease) => store.renew([lease]))),
    );
    await measure('service whose stream fills up', 10, () => putAll(store, repeated(10, 1_000)), kept);
    const idle = (): Promise<void> => pause(IDLE_SECONDS * 1_000);
    const { serviceName } = instances[0]!;
    // Enough that one of them sweeps each second.
    const sweepers = crowdOf('default');
    await sweepers.join(FEW, serviceName);
    await measure('service, a second of sweeps', SERVICES * IDLE_SECONDS, idle);
    await sweepers.leave();
    await store.close();

    // In a namespace of one service, where sweeps are next to nothing.
    const watchers = crowdOf('other');
    const writer = watchers.open();
    const changed = repeated(1, CHANGES);
    const untold = await measure('change, nobody watches', CHANGES, () => putEach(writer, changed));
    await measure('process that watches a service', WATCHERS, () => watchers.join(WATCHERS, serviceName), kept);
    await measure('process, a second of idling', WATCHERS * IDLE_SECONDS, idle);
    const tell = async (): Promise<void> => {
      const arrived = watchers.heard(CHANGES);
      await putEach(writer, changed);
      await arrived;
    };
    await measure('change told to one more process', WATCHERS * CHANGES, tell, { without: untold });
    return rows;
  } finally {
    for (const crowd of crowds) await crowd.leave();
    await store.close();
    client.disconnect();
  }
}

function putAll(store: RedisRegistryStore, instances: readonly ServiceInstance[]): Promise<Lease[]> {
  return Promise.all(instances.map((instance) => store.put(instance, TTL_MS)));
}

/** One after the other, as changes come that have nothing to do with each other. */
async function putEach(store: RedisRegistryStore, instances: readonly ServiceInstance[]): Promise<void> {
  for (const instance of instances) await store.put(instance, TTL_MS);
}

/** The first instances of so many services, each so often. */
function repeated(services: number, times: number): ServiceInstance[] {
  return Array.from({ length: services * times }, (_, n) => instanceAt(n % services, SERVICES));
}

function combine(a: Spent, b: Spent, how: (a: number, b: number) => number): Spent {
  return {
    cpuMicros: how(a.cpuMicros, b.cpuMicros),
    memoryBytes: how(a.memoryBytes, b.memoryBytes),
    bytesIn: how(a.bytesIn, b.bytesIn),
    bytesOut: how(a.bytesOut, b.bytesOut),
  };
}

async function spentBy(client: Redis): Promise<Spent> {
  // For buffers that are not needed any more to be given back.
  await pause(500);
  const info = await client.info();
  const read = (name: string): number => Number(new RegExp(`^${name}:(\\S+)`, 'm').exec(info)?.[1]);
  return {
    cpuMicros: (read('used_cpu_user') + read('used_cpu_sys')) * 1e6,
    memoryBytes: read('used_memory'),
    bytesIn: read('total_net_input_bytes'),
    bytesOut: read('total_net_output_bytes'),
  };
}

/** As many watching stores as there were processes, each with connections of its own. */
class Crowd {
  private readonly leaving = new AbortController();
  private readonly stores: RedisRegistryStore[] = [];
  private readonly readings: Promise<unknown>[] = [];
  private count = 0;
  private readonly onCount = new Set<() => void>();

  constructor(
    private readonly url: string,
    private readonly namespace: string,
  ) {}

  /** One more store, which does not watch. */
  open(): RedisRegistryStore {
    const store = new RedisRegistryStore({ url: this.url, namespace: this.namespace, commandTimeout: '30s' });
    this.stores.push(store);
    return store;
  }

  /** Resolves when each has read the service. */
  async join(count: number, serviceName: string): Promise<void> {
    const ready: Promise<void>[] = [];
    const readings = Array.from({ length: count }, () => {
      const store = this.open();
      let isReady: () => void = () => undefined;
      ready.push(new Promise((resolve) => (isReady = resolve)));
      return this.read(store.watch({ services: [serviceName] }, this.leaving.signal), isReady);
    });
    this.readings.push(...readings);
    await Promise.race([Promise.all(ready), Promise.all(readings)]);
  }

  /** Resolves when each has heard of so many changes from now on. */
  heard(changes: number): Promise<void> {
    const wanted = this.count + changes * this.readings.length;
    return new Promise((resolve) => {
      this.onCount.add(() => {
        if (this.count >= wanted) resolve();
      });
    });
  }

  async leave(): Promise<void> {
    this.leaving.abort();
    await Promise.all(this.readings);
    await Promise.all(this.stores.map((store) => store.close()));
  }

  private async read(changes: AsyncIterable<Change>, isReady: () => void): Promise<void> {
    for await (const change of changes) {
      if (change.type === 'reset') isReady();
      else this.count += 1;
      for (const look of this.onCount) look();
    }
  }
}
