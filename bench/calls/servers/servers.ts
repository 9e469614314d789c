import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { answerOf, stop } from '../../support/child-process.js';
import { type Via } from '../contenders/catalog.js';
import { type Target } from '../contenders/contender.js';

const MOST_INSTANCES = 100;

/** What is not there on this machine, and how to get it. */
class MissingError extends Error {}

/** All that answers, in processes of their own; each is started when it is first called. */
export class Servers {
  private readonly children: ChildProcess[] = [];
  private backends: Promise<readonly number[]> | undefined;

  /** @throws MissingError */
  async target(via: Via, instances: number, services: number): Promise<Target> {
    const ports = (await (this.backends ??= this.fork('backends', MOST_INSTANCES))).slice(0, instances);
    if (via !== 'backends') throw new MissingError(`${via}: to come`);
    return { ports, services };
  }

  async stop(): Promise<void> {
    await Promise.all(this.children.map((child) => stop(child)));
  }

  private fork(script: string, count: number): Promise<readonly number[]> {
    const path = fileURLToPath(new URL(`./${script}.js`, import.meta.url));
    const child = fork(path, [String(count)], { stdio: ['ignore', 2, 2, 'ipc'] });
    this.children.push(child);
    return answerOf(child, script);
  }
}
