import { setTimeout as pause } from 'node:timers/promises';
import { type Redis } from 'ioredis';
import { startCluster, type ClusterProcesses } from '../support/redis-cluster.js';
import { shown } from '../support/table.js';
import { putEach, repeated } from './cost.js';
import { Crowd } from './crowd.js';
import { spentBy } from './spent.js';

const SIZES = [3, 9] as const;
const CHANGES = 4_000;
const WATCHERS = 150;
const IDLE_SECONDS = 8;

export const CLUSTER_COST_HEAD = ['one, on a Cluster', 'masters', 'CPU µs there', 'CPU µs at each other node'];

/** The cost of a change and of an idle process, for the most affected node and for each other one. */
export async function measureClusterCost(): Promise<string[][]> {
  const rows: string[][] = [];
  for (const size of SIZES) {
    const cluster = await startCluster(size);
    try {
      rows.push(...(await measureOn(cluster)));
    } finally {
      await cluster.stop();
    }
  }
  return rows;
}

async function measureOn({ url, masters }: ClusterProcesses): Promise<string[][]> {
  const crowd = new Crowd(url, 'default');
  const changed = repeated(1, CHANGES);
  const { serviceName } = changed[0]!;
  const rows: string[][] = [];
  // Background activity of nodes, each second.
  let bare = masters.map(() => 0);
  const measure = async (what: string, count: number, key: string, work: () => Promise<unknown>): Promise<void> => {
    const start = performance.now();
    const each = await spentByEach(masters, work);
    const seconds = (performance.now() - start) / 1_000;
    const one = each.map((micros, node) => (micros - bare[node]! * seconds) / count);
    const owner = await ownerOf(masters, key);
    const others = one.filter((_, node) => node !== owner);
    const rest = others.reduce((sum, micros) => sum + micros, 0) / others.length;
    rows.push([what, String(masters.length), shown(one[owner]!), shown(rest)]);
  };
  const idle = (): Promise<void> => pause(IDLE_SECONDS * 1_000);
  try {
    bare = (await spentByEach(masters, idle)).map((micros) => micros / (IDLE_SECONDS + 0.5));
    const writer = crowd.open();
    await putEach(writer, changed.slice(0, 100));
    const key = `sd:{default:${serviceName}}:changes`;
    await measure('change: its service', CHANGES, key, () => putEach(writer, changed));
    await crowd.join(WATCHERS, { services: [serviceName] });
    await pause(2_000);
    const connections = (await connectionsTo(masters)) - masters.length;
    await measure('process, a second of idling: the index', WATCHERS * IDLE_SECONDS, 'sd:{default}:sweep', idle);
    rows.push([
      'connections of a process that watches a service',
      String(masters.length),
      shown(connections / WATCHERS),
      '',
    ]);
    return rows;
  } finally {
    await crowd.leave();
  }
}

async function spentByEach(masters: readonly Redis[], work: () => Promise<unknown>): Promise<number[]> {
  const before = await Promise.all(masters.map(spentBy));
  await work();
  const after = await Promise.all(masters.map(spentBy));
  return after.map(({ cpuMicros }, node) => cpuMicros - before[node]!.cpuMicros);
}

/** The index of the master that holds a key. */
async function ownerOf(masters: readonly Redis[], key: string): Promise<number> {
  const slot = Number(await masters[0]!.cluster('KEYSLOT', key));
  return masters.findIndex((_, node) => slot < Math.floor(((node + 1) * 16_384) / masters.length));
}

async function connectionsTo(masters: readonly Redis[]): Promise<number> {
  const infos = await Promise.all(masters.map((master) => master.info('clients')));
  return infos.reduce((sum, info) => sum + Number(/connected_clients:(\d+)/.exec(info)?.[1]), 0);
}
