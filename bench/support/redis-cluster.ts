import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from './free-port.js';
import { startRedis, type RedisProcess } from './redis-process.js';

const SLOTS = 16_384;

/** A Cluster for one benchmark: masters that share the slots, without replicas. */
export interface ClusterProcesses {
  readonly url: string;
  /** A client of each master. */
  readonly masters: readonly Redis[];
  stop(): Promise<void>;
}

export async function startCluster(size: number): Promise<ClusterProcesses> {
  const busPorts = await Promise.all(Array.from({ length: size }, freePort));
  const nodes: RedisProcess[] = [];
  const masters: Redis[] = [];
  const stop = async (): Promise<void> => {
    for (const master of masters) master.disconnect();
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    for (const busPort of busPorts) {
      const node = await startRedis(['--cluster-enabled', 'yes', '--cluster-port', String(busPort)]);
      nodes.push(node);
      masters.push(new Redis(node.url));
    }
    for (const [index, master] of masters.entries()) {
      const [from, to] = [index, index + 1].map((n) => Math.floor((n * SLOTS) / size));
      await master.call('CLUSTER', 'ADDSLOTSRANGE', from!, to! - 1);
      await master.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
      if (index > 0) await masters[0]!.call('CLUSTER', 'MEET', '127.0.0.1', portOf(nodes[index]!), busPorts[index]!);
    }
    for (const master of masters) await untilUp(master, size);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `redis-cluster://${nodes.map((node) => new URL(node.url).host).join(',')}`, masters, stop };
}

async function untilUp(master: Redis, size: number): Promise<void> {
  for (;;) {
    const info = String(await master.cluster('INFO'));
    if (info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${size}\r`)) return;
    await pause(100);
  }
}

function portOf({ url }: RedisProcess): string {
  return new URL(url).port;
}
