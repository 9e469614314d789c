import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { freePort } from '../../bench/support/free-port.js';

const BINARY = process.env.PROMETHEUS_BIN ?? 'prometheus';
/** Debian and the official archives have it in the same place. */
const PROMTOOL = BINARY.includes('/') ? join(dirname(BINARY), 'promtool') : 'promtool';

/** One series of an instant query. */
export interface PrometheusSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [at: number, value: string];
}

/** @returns what promtool complains about; empty if it finds nothing */
export function promtool(args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile(PROMTOOL, args, (error, stdout, stderr) => resolve(error ? `${stdout}${stderr}` : stderr));
    child.stdin!.end(input);
  });
}

/** A real Prometheus in a directory of its own. */
export class Prometheus {
  private constructor(
    private readonly directory: string,
    private readonly child: ChildProcess,
    private readonly url: string,
  ) {}

  /** @param configuration in YAML, which is JSON too */
  static async start(configuration: object): Promise<Prometheus> {
    const directory = await mkdtemp(join(tmpdir(), 'prometheus-'));
    const file = join(directory, 'prometheus.yml');
    await writeFile(file, JSON.stringify(configuration));
    const address = `127.0.0.1:${await freePort()}`;
    const args = [`--config.file=${file}`, `--storage.tsdb.path=${directory}/data`, `--web.listen-address=${address}`];
    const child = spawn(BINARY, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    child.stderr.setEncoding('utf8');
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', (text: string) => {
        log += text;
        if (log.includes('Server is ready to receive web requests')) resolve();
      });
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`Prometheus has ended:\n${log}`)));
    });
    return new Prometheus(directory, child, `http://${address}`);
  }

  /** The `data` of an answer of its HTTP API. @throws Error with what it says is wrong */
  async get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.url}/api/v1/${path}`);
    const { data, error } = (await response.json()) as { readonly data?: T; readonly error?: string };
    if (data === undefined) throw new Error(`${decodeURIComponent(path)}: ${error}`);
    return data;
  }

  /** What an expression comes to now. */
  async query(expression: string): Promise<readonly PrometheusSeries[]> {
    const { result } = await this.get<{ result: readonly PrometheusSeries[] }>(
      `query?query=${encodeURIComponent(expression)}`,
    );
    return result;
  }

  async stop(): Promise<void> {
    this.child.removeAllListeners('exit');
    this.child.kill();
    await once(this.child, 'exit');
    await rm(this.directory, { recursive: true });
  }
}
