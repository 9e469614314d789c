import { freePort } from '../../bench/support/free-port.js';
import { pollUntil } from './poll.js';
import { RedisServer } from './redis-server.js';

const SLOTS = 16_384;
/** Time until a node counts as failed: short, so that a replica takes over soon. */
export const NODE_TIMEOUT_MS = 1_000;

/** A Redis Cluster of a test: masters that share the slots, each with a replica if requested. */
export class RedisCluster {
  private constructor(
    readonly masters: readonly RedisServer[],
    /** The replica of the master at the same index. */
    readonly replicas: readonly RedisServer[],
  ) {}

  /** Without replicas nothing can take over, so nodes wait for each other longer than a busy machine may stall. */
  static async start({ replicas = false } = {}): Promise<RedisCluster> {
    const timeoutMs = replicas ? NODE_TIMEOUT_MS : 60_000;
    const nodes = await Promise.all(Array.from({ length: replicas ? 6 : 3 }, () => startNode(timeoutMs)));
    const cluster = new RedisCluster(nodes.slice(0, 3), nodes.slice(3));
    await cluster.join();
    return cluster;
  }

  get url(): string {
    return `redis-cluster://${this.masters.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  }

  get nodes(): readonly RedisServer[] {
    return [...this.masters, ...this.replicas];
  }

  /** Deletes everything. */
  async flush(): Promise<void> {
    await Promise.all(this.masters.map((master) => master.flush()));
  }

  /** The slots of a master that contain keys of services. */
  async usedSlots(master: RedisServer): Promise<number[]> {
    const keys = await master.client().keys('sd:{*:*}:records');
    const slots = await Promise.all(keys.map((key) => master.client().cluster('KEYSLOT', key)));
    return [...new Set(slots.map(Number))];
  }

  /** Moves a slot with its keys, as `redis-cli --cluster reshard` does. */
  async moveSlot(slot: number, from: RedisServer, to: RedisServer): Promise<void> {
    const [source, target] = [from.client(), to.client()];
    const [sourceId, targetId] = await Promise.all([source.cluster('MYID'), target.cluster('MYID')]);
    await target.cluster('SETSLOT', slot, 'IMPORTING', String(sourceId));
    await source.cluster('SETSLOT', slot, 'MIGRATING', String(targetId));
    for (;;) {
      const keys = await source.cluster('GETKEYSINSLOT', slot, 10);
      if (keys.length === 0) break;
      await source.call('MIGRATE', '127.0.0.1', to.port, '', 0, 5_000, 'KEYS', ...keys);
    }
    for (const client of [target, source]) await client.cluster('SETSLOT', slot, 'NODE', String(targetId));
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }

  private async join(): Promise<void> {
    const [first] = this.masters;
    const share = Math.ceil(SLOTS / this.masters.length);
    for (const [index, master] of this.masters.entries()) {
      const last = Math.min(SLOTS, (index + 1) * share) - 1;
      await master.client().call('CLUSTER', 'ADDSLOTSRANGE', index * share, last);
      await master.client().call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    }
    for (const node of this.nodes.slice(1)) {
      await first!.client().call('CLUSTER', 'MEET', '127.0.0.1', node.port, node.busPort!);
    }
    await pollUntil('all nodes know each other', () => this.allSay(`cluster_known_nodes:${this.nodes.length}\r`));
    for (const [index, replica] of this.replicas.entries()) {
      await replica.client().cluster('REPLICATE', String(await this.masters[index]!.client().cluster('MYID')));
    }
    await pollUntil('the Cluster is up', () => this.allSay('cluster_state:ok'));
    await pollUntil('the replicas are in step', async () => {
      const infos = await Promise.all(this.replicas.map((replica) => replica.client().info('replication')));
      return infos.every((info) => info.includes('master_link_status:up'));
    });
  }

  private async allSay(line: string): Promise<boolean> {
    const infos = await Promise.all(this.nodes.map((node) => node.client().cluster('INFO')));
    return infos.every((info) => String(info).includes(line));
  }
}

async function startNode(timeoutMs: number): Promise<RedisServer> {
  const busPort = await freePort();
  return RedisServer.start({
    busPort,
    args: [
      ...['--cluster-enabled', 'yes', '--cluster-port', String(busPort)],
      ...['--cluster-node-timeout', String(timeoutMs), '--repl-diskless-sync-delay', '0'],
    ],
  });
}
