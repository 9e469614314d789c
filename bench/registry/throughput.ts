import { Redis } from 'ioredis';
import { RedisRegistryStore, type Lease, type RedisSigningOptions } from 'nest-service-discovery/core';
import { instancesOf, TTL_MS } from '../support/instances.js';
import { type Measured } from '../support/table.js';
import { Floor } from './floor.js';

/** Batch size for alternating between store and floor: both meet the same disturbances of the machine. */
const PORTION = 10_000;

export interface Throughput {
  readonly register: Measured;
  readonly renew: Measured;
  /** Bare HSETs per second, for comparison with other machines. */
  readonly setsPerSecond: number;
  /** Instances in Redis afterwards, and leases at the renewal. */
  readonly registered: number;
  readonly renewed: number;
}

/**
 * Registers instances, then renews all, alternating with the floor. Flushes that Redis first.
 * @param signing how registrations are signed. The store then reads what it registers, as every process of a registry
 *   does, so that it need not ask what it replaces. @default they are not
 */
export async function measureThroughput(
  url: string,
  count: number,
  services: number,
  signing?: RedisSigningOptions,
): Promise<Throughput> {
  const client = new Redis(url);
  const store = new RedisRegistryStore({ url, commandTimeout: '30s', signing });
  const suffix = signing ? ', signed and read' : '';
  const leaving = new AbortController();
  const floor = new Floor(client);
  const instances = instancesOf(count, services);
  const portions = Array.from({ length: Math.ceil(count / PORTION) }, (_, n) =>
    instances.slice(n * PORTION, (n + 1) * PORTION),
  );
  try {
    await client.flushall();
    if (signing) await readAlong(store, leaving.signal);
    const registering = new Stopwatch();
    const leases: Lease[][] = [];
    for (const portion of portions) {
      leases.push(await registering.ours(() => Promise.all(portion.map((one) => store.put(one, TTL_MS)))));
      await registering.floor(() => floor.register(portion));
    }
    const renewing = new Stopwatch();
    let renewed = 0;
    for (const [n, portion] of portions.entries()) {
      const held = await renewing.ours(() => store.renew(leases[n] ?? []));
      renewed += held.filter(Boolean).length;
      await renewing.floor(() => floor.renew(portion));
    }
    const setting = new Stopwatch();
    await setting.floor(() => floor.set(instances));
    return {
      register: registering.rate(`instances registered${suffix}`, count),
      renew: renewing.rate(`leases renewed${suffix}`, count),
      setsPerSecond: setting.rate('', count).floor,
      registered: await countLeases(client, services),
      renewed,
    };
  } finally {
    leaving.abort();
    await store.close();
    client.disconnect();
  }
}

/** Resolves when the store reads all services; what it reads is dropped. */
async function readAlong(store: RedisRegistryStore, signal: AbortSignal): Promise<void> {
  const changes = store.watch({}, signal)[Symbol.asyncIterator]();
  await changes.next();
  void (async () => {
    while (!(await changes.next()).done);
  })().catch(() => undefined);
}

async function countLeases(client: Redis, services: number): Promise<number> {
  const pipeline = client.pipeline();
  for (let n = 0; n < services; n++) pipeline.zcard(`sd:{default:service-${n}}:leases`);
  const counts = await pipeline.exec();
  return (counts ?? []).reduce((sum, [, one]) => sum + Number(one), 0);
}

class Stopwatch {
  private oursMs = 0;
  private floorMs = 0;

  async ours<T>(work: () => Promise<T>): Promise<T> {
    const since = performance.now();
    const result = await work();
    this.oursMs += performance.now() - since;
    return result;
  }

  async floor(work: () => Promise<unknown>): Promise<void> {
    const since = performance.now();
    await work();
    this.floorMs += performance.now() - since;
  }

  rate(what: string, count: number): Measured {
    const perSecond = (ms: number): number => (count / ms) * 1_000;
    return { what, ours: perSecond(this.oursMs), floor: perSecond(this.floorMs), unit: '/s', isRate: true };
  }
}
