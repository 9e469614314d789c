import { DeadlineExceededError, SignalCancellation } from '../../common/index.js';
import { CancelScope } from '../cancel-scope.js';
import { type Next, type PolicyCall, type Stage, type StageDescription, type TimeStageDeps } from './stage.js';

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

  async run<T>(call: PolicyCall, next: Next<T>): Promise<T> {
    const { progress } = call;
    const timeoutError = (): Error =>
      new DeadlineExceededError(this.timeoutMs, { service: this.deps.name, cause: progress.lastError });
    const scope = new CancelScope(this.deps.timers, new SignalCancellation(call.signal), {
      ms: this.timeoutMs,
      timeoutError,
    });
    try {
      return await next({ ...call, signal: scope.signal, deadline: scope.dueAt });
    } finally {
      scope.dispose();
    }
  }
}
