import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

/**
 * The start of a plain JavaScript app that runs as a separate process: `command(name)` resolves when the parent sends
 * `name`. `SlowController` answers /quick at once, and /slow when told to `finish`; it sends `'called'` when /slow is
 * called. The app must import the modules that it needs.
 */
export const SLOW_CONTROLLER = `
const commands = new Map();
const command = (name) => new Promise((resolve) => commands.set(name, resolve));
process.on('message', (name) => commands.get(name)?.());
process.channel.unref();

class SlowController {
  quick() {
    return { quick: true };
  }
  async slow() {
    process.send('called');
    await command('finish');
    return { slow: true };
  }
}
for (const name of ['quick', 'slow']) {
  Get(name)(SlowController.prototype, name, Object.getOwnPropertyDescriptor(SlowController.prototype, name));
}
Controller()(SlowController);
`;

/** An app in a process of its own. */
export interface AppProcess {
  readonly child: ChildProcess;
  /** How the process exited. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Its output, once it has exited. */
  readonly output: Promise<string>;
  /** Resolves with the next message that it sends. */
  message(): Promise<unknown>;
}

/** Processes started by a test. */
export class AppProcesses {
  private readonly children = new Set<ChildProcess>();

  /**
   * @param env added to the test's environment, from which variables of the test run and of this library are removed
   */
  start(script: string, env: Readonly<Record<string, string>>): AppProcess {
    const own = Object.entries(process.env).filter(([name]) => !/^(SERVICE_DISCOVERY|NODE_OPTIONS|JEST)/.test(name));
    const child = spawn(process.execPath, [script], {
      env: { ...Object.fromEntries(own), ...env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.children.add(child);
    const output = Promise.all([text(child.stdout!), text(child.stderr!)]).then((parts) => parts.join(''));
    const ended = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
    const message = async (): Promise<unknown> => {
      const early = ended.then(async () => Promise.reject(new Error(`The process has ended: ${await output}`)));
      const [received] = (await Promise.race([once(child, 'message'), early])) as [unknown];
      return received;
    };
    return { child, ended, output, message };
  }

  /** Kills those that still run. */
  kill(): void {
    for (const child of this.children) child.kill('SIGKILL');
    this.children.clear();
  }
}
