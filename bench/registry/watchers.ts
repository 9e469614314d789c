import { type ChildProcess, fork } from 'node:child_process';
import { answerOf, stop } from '../support/child-process.js';
import { type Answer, type Question } from './messages.js';

const WHAT = 'a watching process';

type AnswerOf<Type extends Answer['type']> = Extract<Answer, { type: Type }>;

/** Several watching processes. */
export class Watchers {
  private constructor(private readonly children: readonly ChildProcess[]) {}

  /**
   * Resolves when each follows the registry.
   * @param script `watcher.ts`, compiled
   */
  static async start(script: string, url: string, count: number): Promise<Watchers> {
    const children = Array.from({ length: count }, () => fork(script, [url], { execArgv: ['--expose-gc'] }));
    const watchers = new Watchers(children);
    try {
      await Promise.all(children.map((child) => answerOf<Answer>(child, WHAT)));
      return watchers;
    } catch (error) {
      await watchers.stop();
      throw error;
    }
  }

  /** Resolves when each holds that many instances. */
  async hold(count: number): Promise<void> {
    await this.ask({ type: 'instances', count }, 'done');
  }

  async takeBaseline(): Promise<void> {
    await this.ask({ type: 'baseline' }, 'done');
  }

  delays(count: number): Promise<AnswerOf<'delays'>[]> {
    return this.ask({ type: 'changes', count }, 'delays');
  }

  memory(): Promise<AnswerOf<'memory'>[]> {
    return this.ask({ type: 'memory' }, 'memory');
  }

  async stop(): Promise<void> {
    await Promise.all(this.children.map((child) => stop(child)));
  }

  private async ask<Type extends Answer['type']>(question: Question, type: Type): Promise<AnswerOf<Type>[]> {
    const answers = await Promise.all(
      this.children.map((child) => {
        child.send(question);
        return answerOf<Answer>(child, WHAT);
      }),
    );
    return answers.filter((answer): answer is AnswerOf<Type> => answer.type === type);
  }
}
