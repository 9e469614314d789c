import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** The single answer of a forked process. Rejects if it exits before. */
export function answerOf<Answer>(child: ChildProcess, what: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onExit = (): void => reject(new Error(`${what} ended before it answered`));
    child.once('exit', onExit);
    child.once('message', (answer: Answer) => {
      child.off('exit', onExit);
      resolve(answer);
    });
  });
}

/** Resolves when it has exited. */
export async function stop(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  await gone;
}
