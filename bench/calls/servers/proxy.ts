import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stop } from '../../support/child-process.js';
import { freePort } from '../../support/free-port.js';

/** How a proxy is configured and started. */
export interface ProxyProgram {
  readonly name: string;
  readonly howToInstall: string;
  /** @param directory for its own files */
  configure(port: number, backends: readonly number[], directory: string): string;
  /** Keeps it in the foreground, so that it can be stopped by its process. */
  args(config: string, directory: string): readonly string[];
}

const TRIES = 400;
const BETWEEN_TRIES_MS = 25;
/** Directories of programs that usually only root runs. */
const PATH = `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/opt/homebrew/bin`;

const running = new Set<ChildProcess>();
process.once('exit', () => running.forEach((child) => child.kill('SIGTERM')));

/** A proxy in front of backends, with its configuration in a temporary directory. */
export class Proxy {
  private constructor(
    readonly port: number,
    private readonly child: ChildProcess,
    private readonly directory: string,
  ) {}

  /** @throws Error if it is not installed */
  static async start(program: ProxyProgram, backends: readonly number[]): Promise<Proxy> {
    const port = await freePort();
    const directory = await mkdtemp(join(tmpdir(), `bench-${program.name}-`));
    const config = join(directory, `${program.name}.conf`);
    await writeFile(config, program.configure(port, backends, directory));
    const args = program.args(config, directory);
    const child = spawn(program.name, args, { stdio: ['ignore', 2, 2], env: { ...process.env, PATH } });
    running.add(child);
    const proxy = new Proxy(port, child, directory);
    try {
      await Promise.race([untilItFails(child, program), untilListening(port, program.name)]);
      return proxy;
    } catch (error) {
      await proxy.stop();
      throw error;
    }
  }

  get pid(): number {
    return this.child.pid!;
  }

  async stop(): Promise<void> {
    running.delete(this.child);
    if (this.child.pid !== undefined) await stop(this.child, 'SIGTERM');
    await rm(this.directory, { recursive: true, force: true });
  }
}

function untilItFails(child: ChildProcess, { name, howToInstall }: ProxyProgram): Promise<never> {
  return new Promise((_, reject) => {
    child.once('exit', (code) => reject(new Error(`${name} ended with exit code ${code}`)));
    child.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'ENOENT' ? new Error(`${name} is not installed: ${howToInstall}`) : error),
    );
  });
}

/** @param name for the error if it takes too long */
export async function untilListening(port: number, name: string): Promise<void> {
  for (let tries = 0; tries < TRIES; tries++) {
    if (await accepts(port)) return;
    await new Promise((resolve) => setTimeout(resolve, BETWEEN_TRIES_MS));
  }
  throw new Error(`${name} does not listen`);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
