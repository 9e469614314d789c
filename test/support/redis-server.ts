import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Redis, type RedisOptions } from 'ioredis';
import { freePort } from '../../bench/support/free-port.js';

export interface RedisServerOptions {
  readonly password?: string;
  /** Whether it speaks only TLS, with the test's certificate; and whether it requires client certificates. */
  readonly tls?: 'server' | 'both';
  /** Its configuration, if it is a Sentinel. */
  readonly sentinel?: readonly string[];
  /** Where the other nodes of a Cluster reach it. */
  readonly busPort?: number;
  /** Additional arguments of redis-server. */
  readonly args?: readonly string[];
}

/** A redis-server process for one test, on a free port, without persistence. */
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
    for (let tries = 1; ; tries++) {
      const server = new RedisServer(await freePort(), directory, options);
      try {
        await server.startAgain();
        return server;
      } catch (error) {
        // Between its choice and its use, another process may take a free port.
        if (!(error instanceof PortTakenError) || tries === 5) throw error;
      }
    }
  }

  get busPort(): number | undefined {
    return this.options.busPort;
  }

  get url(): string {
    return `${this.options.tls ? 'rediss' : 'redis'}://127.0.0.1:${this.port}`;
  }

  /**
   * Starts the process, after {@link kill}. Resolves when it has loaded saved data, if any, and accepts connections.
   * @param more arguments for this start
   */
  async startAgain(more: readonly string[] = []): Promise<void> {
    const { password, sentinel, tls, args = [] } = this.options;
    // A Sentinel rewrites its configuration.
    const file = join(this.directory, 'sentinel.conf');
    if (sentinel) await writeFile(file, sentinel.join('\n'));
    const child = spawn(
      process.env.REDIS_SERVER_BIN ?? 'redis-server',
      [
        ...(sentinel ? [file, '--sentinel'] : []),
        ...(tls
          ? ['--port', '0', '--tls-port', String(this.port), ...tlsArguments(tls)]
          : ['--port', String(this.port)]),
        ...['--bind', '127.0.0.1', '--dir', this.directory],
        ...(sentinel ? [] : ['--save', '', '--appendonly', 'no']),
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

  /** Kills the process, like a crash. */
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

  /** Stops the process: it keeps its connections and does not answer until {@link continue}. */
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

  /** A connection to inspect or corrupt data. Closed with the server. */
  client(): Redis {
    this.admin ??= this.connect();
    return this.admin;
  }

  /** Another connection, to be closed by the caller. */
  connect(options: RedisOptions = {}): Redis {
    const { password, tls } = this.options;
    const own: RedisOptions = { host: '127.0.0.1', port: this.port, password, tls: tls && CLIENT_TLS };
    const client = new Redis({ ...own, ...options });
    client.on('error', () => undefined);
    return client;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}

const pathOf = (name: string): string => join(import.meta.dirname, 'tls', name);
const pem = (name: string): string => readFileSync(pathOf(name), 'utf8');

/** The CA of the server's certificate. The certificates were created once, and are valid for 100 years. */
export const CA = pem('ca.pem');
/** An unrelated CA. */
export const ANOTHER_CA = pem('another-ca.pem');
/** What a client needs for mutual TLS. */
export const CLIENT_TLS = { ca: CA, cert: pem('client.pem'), key: pem('client.key') };

function tlsArguments(sides: 'server' | 'both'): string[] {
  const files = ['--tls-cert-file', pathOf('server.pem'), '--tls-key-file', pathOf('server.key')];
  return [...files, '--tls-ca-cert-file', pathOf('ca.pem'), '--tls-auth-clients', sides === 'both' ? 'yes' : 'no'];
}

class PortTakenError extends Error {}

async function ready(child: ChildProcess): Promise<void> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout! })) {
    if (/Ready to accept connections|Sentinel ID is/.test(line)) return;
    lines.push(line);
  }
  const output = lines.join('\n');
  if (output.includes('Address already in use')) throw new PortTakenError(output);
  throw new Error(
    `redis-server ended before it was ready; does it support what its arguments ask for, as TLS?\n${output}`,
  );
}
