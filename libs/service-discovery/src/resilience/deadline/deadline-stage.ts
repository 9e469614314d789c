import { DeadlineExceededError } from '../../common/index.js';
import {
  type Next,
  type PolicyCall,
  type Stage,
  type StageDescription,
  type TimeStageDeps,
} from '../pipeline/stage.js';
import { withinLimit } from './within-limit.js';

/** Ends the call when its time is over, whatever it is at then. */
export class DeadlineStage implements Stage {
  readonly description: StageDescription;

  constructor(
    private readonly timeoutMs: number,
    private readonly deps: TimeStageDeps,
  ) {
    this.description = {
      stage: 'deadline',
      purpose: 'Limits the whole call. Outside of everything that can wait: the queue, the attempts, the delays.',
      options: { timeoutMs },
    };
  }

  run<T>(call: PolicyCall, next: Next<T>): Promise<T> {
    const { timeoutMs, deps } = this;
    const timeoutError = (): Error =>
      new DeadlineExceededError(timeoutMs, { service: deps.name, cause: call.progress.lastError });
    return withinLimit(call, deps.timers, { ms: timeoutMs, timeoutError }, ({ signal, dueAt: deadline }) =>
      next({ ...call, signal, deadline }),
    );
  }
}
