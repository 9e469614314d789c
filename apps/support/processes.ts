import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** What to start. */
export interface ProcessSpec {
  /** Name of the instance in the output, such as `user-1`. */
  readonly name: string;
  /** The compiled entry, relative to this directory's parent, such as `shop/user-service/main.js`. */
  readonly script: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface ProcessGroupOptions {
  /** Receives every line that a child prints. */
  readonly onLine?: (name: string, line: string) => void;
  /** The directory of the compiled apps. @default the one that contains this file */
  readonly directory?: URL;
  /** Timeout until a child listens, in milliseconds. @default 30_000 */
  readonly startTimeoutMs?: number;
  /** Timeout from SIGTERM to SIGKILL, in milliseconds. @default 5_000 */
  readonly stopTimeoutMs?: number;
}

/** How a process exited: with a code, or by a signal. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const APPS = new URL('../', import.meta.url);
const PRELOADED = new URL('./exit-with-parent.js', import.meta.url);
/** Printed by the apps once they accept calls. */
const LISTENING = /listens on (https?:\/\/[\w.:[\]-]+)/;
const KEPT_LINES = 20;

/** A child that listens for calls. */
export class ServiceProcess {
  readonly ended: Promise<Ending>;

  constructor(
    readonly name: string,
    readonly url: string,
    private readonly child: ChildProcess,
    ended: Promise<Ending>,
  ) {
    this.ended = ended;
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** The default id of the instance: its address. */
  get instanceId(): string {
    return new URL(this.url).host;
  }

  get running(): boolean {
    return isRunning(this.child);
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

/** Child processes with a common lifetime: none outlives a call of {@link stop}, or this process. */
export class ProcessGroup {
  /** The secret that its registry shares with its clients: made for this run, unless the environment has one. */
  readonly token = process.env.SERVICE_DISCOVERY_TOKEN ?? randomBytes(24).toString('base64url');
  private readonly children = new Set<ChildProcess>();
  private stopping = false;

  constructor(private readonly options: ProcessGroupOptions = {}) {}

  /** Starts a process and waits until it listens. */
  async start(spec: ProcessSpec): Promise<ServiceProcess> {
    if (this.stopping) throw new Error(`${spec.name} was not started: the group is stopping`);
    const { directory = APPS } = this.options;
    const preloaded = directory === APPS ? PRELOADED : new URL('support/exit-with-parent.js', directory);
    const child = spawn(
      process.execPath,
      ['--import', preloaded.href, fileURLToPath(new URL(spec.script, directory))],
      {
        // Escape codes of a child would end up in this process's lines.
        env: { ...process.env, SERVICE_DISCOVERY_TOKEN: this.token, NO_COLOR: '1', ...spec.env },
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
        // Ctrl-C signals a terminal's whole group; detached children are stopped in order by this process instead.
        detached: true,
      },
    );
    this.children.add(child);
    const ended = endingOf(child).finally(() => this.children.delete(child));
    const url = await this.listening(spec.name, child, ended);
    return new ServiceProcess(spec.name, url, child, ended);
  }

  /** Stops every child, the one started first last, and makes sure that it exits. */
  async stop(): Promise<void> {
    this.stopping = true;
    const impatience = setTimeout(() => this.killAll(), this.options.stopTimeoutMs ?? 5_000);
    const [first, ...others] = this.children;
    await Promise.all(others.map(end));
    // The others depend on it, for example to deregister.
    if (first) await end(first);
    clearTimeout(impatience);
  }

  /** Kills every child at once. */
  killAll(): void {
    this.stopping = true;
    for (const child of this.children) child.kill('SIGKILL');
  }

  private listening(name: string, child: ChildProcess, ended: Promise<Ending>): Promise<string> {
    const lastLines: string[] = [];
    return new Promise((resolve, reject) => {
      const fail = (what: string): void => {
        clearTimeout(timer);
        reject(new Error([`${name} ${what}`, ...lastLines.map((line) => `  ${line}`)].join('\n')));
      };
      const bound = this.options.startTimeoutMs ?? 30_000;
      const timer = setTimeout(() => {
        fail(`did not listen within ${bound} ms`);
        child.kill('SIGKILL');
      }, bound);
      const onLine = (line: string): void => {
        lastLines.push(line);
        if (lastLines.length > KEPT_LINES) lastLines.shift();
        this.options.onLine?.(name, line);
        const url = LISTENING.exec(line)?.[1];
        if (url === undefined) return;
        clearTimeout(timer);
        resolve(url);
      };
      for (const stream of [child.stdout, child.stderr]) {
        if (stream) createInterface({ input: stream }).on('line', onLine);
      }
      child.once('error', (error) => {
        this.children.delete(child);
        fail(`could not be started: ${error.message}`);
      });
      ended.then(
        ({ code, signal }) => fail(`ended before it listened (${signal ?? `exit code ${code}`})`),
        // 'error' came instead of 'exit', and was reported above.
        () => undefined,
      );
    });
  }
}

/** @throws the 'error' event if the process could not be started */
async function endingOf(child: ChildProcess): Promise<Ending> {
  const [code, signal] = (await once(child, 'exit')) as [Ending['code'], Ending['signal']];
  return { code, signal };
}

async function end(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return;
  const gone = endingOf(child);
  child.kill('SIGTERM');
  await gone;
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
