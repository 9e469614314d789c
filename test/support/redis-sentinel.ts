import { type Redis } from 'ioredis';
import { pollUntil } from './poll.js';
import { RedisServer } from './redis-server.js';
import { TcpProxy } from './tcp-proxy.js';

export const MASTER_NAME = 'main';
/** Time until a primary counts as failed: short, so that a replica takes over soon. */
export const DOWN_AFTER_MS = 500;

/** A server, and the proxy that all clients use except those that a test connects directly. */
export interface WatchedServer {
  readonly server: RedisServer;
  readonly proxy: TcpProxy;
}

/** A primary with two replicas and three Sentinels, for one test. */
export class RedisSentinels {
  private constructor(
    readonly servers: readonly WatchedServer[],
    readonly sentinels: readonly RedisServer[],
  ) {}

  /** @param downAfterMs longer than the test may stall, where it expects no failover */
  static async start({ downAfterMs = DOWN_AFTER_MS } = {}): Promise<RedisSentinels> {
    const servers: WatchedServer[] = [];
    for (let index = 0; index < 3; index++) {
      const proxy = await TcpProxy.start();
      const replicaOf = index > 0 ? ['--replicaof', `127.0.0.1 ${servers[0]!.proxy.port}`] : [];
      const announced = ['--replica-announce-ip', '127.0.0.1', '--replica-announce-port', String(proxy.port)];
      const server = await RedisServer.start({ args: [...replicaOf, ...announced, '--repl-diskless-sync-delay', '0'] });
      proxy.lead(server.port);
      servers.push({ server, proxy });
    }
    const monitor = [
      `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${servers[0]!.proxy.port} 2`,
      `sentinel down-after-milliseconds ${MASTER_NAME} ${downAfterMs}`,
      `sentinel failover-timeout ${MASTER_NAME} 2000`,
    ];
    const sentinels = await Promise.all([1, 2, 3].map(() => RedisServer.start({ sentinel: monitor })));
    const all = new RedisSentinels(servers, sentinels);
    await all.settle();
    return all;
  }

  get primary(): WatchedServer {
    return this.servers[0]!;
  }

  get url(): string {
    return `redis-sentinel://${this.addresses.map(({ host, port }) => `${host}:${port}`).join(',')}/${MASTER_NAME}`;
  }

  get addresses(): { host: string; port: number }[] {
    return this.sentinels.map(({ port }) => ({ host: '127.0.0.1', port }));
  }

  /** Resolves when the Sentinels have promoted another server. */
  async failover(): Promise<void> {
    await pollUntil('another primary', async () => {
      const [, port] = (await this.client(0).call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME)) as string[];
      if (Number(port) === this.primary.proxy.port) return false;
      const heir = this.servers.find(({ proxy }) => proxy.port === Number(port));
      return (await heir!.server.client().info('replication')).includes('role:master');
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map(({ proxy }) => proxy.cut()));
    await Promise.all([...this.servers.map(({ server }) => server), ...this.sentinels].map((server) => server.stop()));
  }

  private client(index: number): Redis {
    return this.sentinels[index]!.client();
  }

  private async settle(): Promise<void> {
    // Sentinels look around every ten seconds, and wait for eight before they restore an old primary. One that got no
    // CPU time for two seconds pauses for thirty, which here only means that the machine is busy.
    const often = ['INFO-PERIOD', 200, 'PUBLISH-PERIOD', 200, 'TILT-TRIGGER', 20_000];
    await Promise.all(this.sentinels.map((_, index) => this.client(index).call('SENTINEL', 'DEBUG', ...often)));
    await pollUntil('the Sentinels know each other and the replicas', async () => {
      const seen = await Promise.all(
        this.sentinels.map(async (_, index) => {
          const reply = (await this.client(index).call('SENTINEL', 'MASTER', MASTER_NAME)) as string[];
          return [reply[reply.indexOf('num-slaves') + 1], reply[reply.indexOf('num-other-sentinels') + 1]].join();
        }),
      );
      return seen.every((counts) => counts === '2,2');
    });
    await pollUntil('the replicas are in step', async () => {
      const infos = await Promise.all(this.servers.slice(1).map(({ server }) => server.client().info('replication')));
      return infos.every((info) => info.includes('master_link_status:up'));
    });
  }
}
