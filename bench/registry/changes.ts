import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { RedisRegistryStore } from 'nest-service-discovery/core';
import { instanceAt, instancesOf, TTL_MS } from '../support/instances.js';
import { percentile, type Measured } from '../support/table.js';
import { BARE_CHANNEL, epochNow, type WatcherMemory } from './messages.js';
import { Watchers } from './watchers.js';

export interface ChangesOptions {
  readonly url: string;
  /** `watcher.ts`, compiled. */
  readonly watcherScript: string;
  readonly processes: number;
  readonly services: number;
  readonly instances: number;
  readonly changes: number;
  /** Changes per second; as many bare messages are sent in between. */
  readonly rate: number;
}

export interface Changes {
  readonly p50: Measured;
  readonly p99: Measured;
  readonly max: Measured;
  /** The process that uses most. */
  readonly memory: Measured;
  /** Changes received, per process. */
  readonly received: readonly number[];
  readonly perProcess: readonly WatcherMemory[];
}

/**
 * Watches everything in several processes, registers, then changes instances at a steady rate. Bare messages of the
 * same size are interleaved with the changes, so that both meet the same load. Flushes that Redis first.
 */
export async function measureChanges(options: ChangesOptions): Promise<Changes> {
  const { url, services, instances, changes } = options;
  const client = new Redis(url);
  const store = new RedisRegistryStore({ url, commandTimeout: '30s' });
  let watchers: Watchers | undefined;
  try {
    await client.flushall();
    watchers = await Watchers.start(options.watcherScript, url, options.processes);
    await warmUp(store, watchers);
    const leases = await Promise.all(instancesOf(instances, services).map((one) => store.put(one, TTL_MS)));
    await watchers.hold(instances);
    await store.renew(leases);
    const reports = watchers.delays(changes);
    await Promise.all([reports, sendChanges(store, client, options)]);
    const delays = await reports;
    const perProcess = await watchers.memory();
    const ours = delays.flatMap((report) => report.changes);
    const floor = delays.flatMap((report) => report.bareMessages);
    const delay = (what: string, share: number): Measured => ({
      what: `a change reaches a watcher, ${what}`,
      ours: percentile(ours, share),
      floor: percentile(floor, share),
      unit: 'ms',
      isRate: false,
    });
    const worst = perProcess.reduce((most, one) => (one.watchedBytes > most.watchedBytes ? one : most));
    return {
      p50: delay('p50', 0.5),
      p99: delay('p99', 0.99),
      max: delay('max', 1),
      memory: {
        what: 'memory of a watching process',
        ours: worst.watchedBytes / 1e6,
        floor: worst.plainBytes / 1e6,
        unit: 'MB',
        isRate: false,
      },
      received: delays.map((report) => report.changes.length),
      perProcess,
    };
  } finally {
    await watchers?.stop();
    await store.close();
    client.disconnect();
  }
}

/** So that one-time code and buffers do not count as memory of the instances. */
async function warmUp(store: RedisRegistryStore, watchers: Watchers): Promise<void> {
  const others = instancesOf(1_000, 100).map((one) => ({ ...one, serviceName: `warm-up-${one.serviceName}` }));
  const leases = await Promise.all(others.map((one) => store.put(one, TTL_MS)));
  await watchers.hold(others.length);
  await store.renew(leases);
  await Promise.all(leases.map((lease) => store.remove(lease)));
  await watchers.takeBaseline();
}

async function sendChanges(store: RedisRegistryStore, client: Redis, options: ChangesOptions): Promise<void> {
  const { services, instances, changes, rate } = options;
  const since = performance.now();
  const sent: Promise<unknown>[] = [];
  const due = async (turn: number): Promise<void> => {
    const ms = since + (turn * 1_000) / (2 * rate) - performance.now();
    if (ms > 0) await pause(ms);
  };
  for (let n = 0; n < changes; n++) {
    // A prime: cycles through the services, with another instance each time.
    const index = (n * 7_919) % instances;
    await due(2 * n);
    sent.push(store.put(instanceAt(index, services, { sentAt: epochNow() }), TTL_MS));
    await due(2 * n + 1);
    const message = JSON.stringify({ sentAt: epochNow(), instance: instanceAt(index, services) });
    sent.push(client.publish(BARE_CHANNEL, message));
  }
  await Promise.all(sent);
}
