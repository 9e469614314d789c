import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis, type RedisOptions } from 'ioredis';

export interface RedisServerOptions {
  readonly password?: string;
  /** Further arguments of redis-server. */
  readonly args?: readonly string[];
}

/** A redis-server process of a test's own, at a free port, that keeps nothing on disk. */
export class RedisServer {
  private process: ChildProcess | undefined;
  private admin: Redis | undefined;

  private constructor(
    readonly port: number,
    private readonly directory: string,
    private readonly options: RedisServerOptions,
  ) {}

  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    const directory = await mkdtemp(join(tmpdir(), 'redis-server-'));
    const server = new RedisServer(await freePort(), directory, options);
    await server.startAgain();
    return server;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /**
   * Starts the process, after {@link kill}. Resolves when it has what it may have saved, and accepts connections.
   * @param more arguments for this time
   */
  async startAgain(more: readonly string[] = []): Promise<void> {
    const { password, args = [] } = this.options;
    const child = spawn(
      process.env.REDIS_SERVER_BIN ?? 'redis-server',
      [
        ...['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.directory],
        ...['--save', '', '--appendonly', 'no'],
        ...(password ? ['--requirepass', password] : []),
        ...args,
        ...more,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    this.process = child;
    const failed = once(child, 'error').then(([error]) => Promise.reject(error as Error));
    await Promise.race([failed, ready(child)]);
    child.stdout.resume();
  }

  /** Ends the process at once, as a crash does. */
  async kill(): Promise<void> {
    this.admin?.disconnect();
    this.admin = undefined;
    const running = this.process;
    this.process = undefined;
    if (!running) return;
    const gone = running.exitCode ?? running.signalCode ?? once(running, 'exit');
    running.kill('SIGKILL');
    await gone;
  }

  /** The process holds its connections and answers no more, until {@link continue}. */
  pause(): void {
    this.process?.kill('SIGSTOP');
  }

  continue(): void {
    this.process?.kill('SIGCONT');
  }

  /** Deletes everything. */
  async flush(): Promise<void> {
    await this.client().flushall();
  }

  /** A connection to look, or to make a mess, with. Closed with the server. */
  client(): Redis {
    this.admin ??= this.connect();
    return this.admin;
  }

  /** One more connection; whoever asked for it closes it. */
  connect(options: RedisOptions = {}): Redis {
    const client = new Redis({ host: '127.0.0.1', port: this.port, password: this.options.password, ...options });
    client.on('error', () => undefined);
    return client;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function ready(child: ChildProcess): Promise<void> {
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line.includes('Ready to accept connections')) return;
  }
  throw new Error('redis-server ended before it was ready');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
