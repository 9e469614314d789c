import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { answerOf, stop } from '../../support/child-process.js';
import { type ContenderName } from '../contenders/catalog.js';
import { type Target } from '../contenders/contender.js';
import { type Figures, type Load, type Times, type WarmUp } from './load.js';
import { type Answer, type Question } from './messages.js';
import { type ProfiledFunction } from './profile.js';

type AnswerOf<Type extends Answer['type']> = Extract<Answer, { type: Type }>;

/** Runs one contender in a separate process, unaffected by the garbage and compiled code of others. */
export class ClientProcess {
  private constructor(
    private readonly child: ChildProcess,
    private readonly name: string,
  ) {}

  static async start(contender: ContenderName, target: Target): Promise<ClientProcess> {
    const child = fork(fileURLToPath(new URL('./main.js', import.meta.url)), { stdio: ['ignore', 2, 2, 'ipc'] });
    const client = new ClientProcess(child, contender);
    try {
      await client.ask({ type: 'set-up', contender, target }, 'ready');
      return client;
    } catch (error) {
      await client.stop();
      throw error;
    }
  }

  async warmUp(load: Load, least: WarmUp): Promise<void> {
    await this.ask({ type: 'warm-up', load, least }, 'ready');
  }

  async round(load: Load, times: Times): Promise<Figures> {
    return (await this.ask({ type: 'round', load, times }, 'figures')).figures;
  }

  async allocations(load: Load, times: Times): Promise<number> {
    return (await this.ask({ type: 'allocations', load, times }, 'allocations')).bytesPerCall;
  }

  async profile(load: Load, windowMs: number): Promise<readonly ProfiledFunction[]> {
    return (await this.ask({ type: 'profile', load, windowMs }, 'profile')).functions;
  }

  async stop(): Promise<void> {
    await stop(this.child);
  }

  private async ask<Type extends Answer['type']>(question: Question, type: Type): Promise<AnswerOf<Type>> {
    if (!this.child.connected) throw new Error(`${this.name} has ended`);
    this.child.send(question);
    const answer = await answerOf<Answer>(this.child, this.name);
    if (answer.type === 'failed') throw new Error(answer.message);
    if (answer.type !== type) throw new Error(`${this.name} answered ${answer.type} where ${type} was expected`);
    return answer as AnswerOf<Type>;
  }
}
