import { type CallContext } from '../pipeline/call-context.js';
import { type Next, type Stage, type StageDescription } from '../pipeline/stage.js';

/** Limits the time of the whole call. */
export class DeadlineStage<Context extends CallContext> implements Stage<Context> {
  constructor(private readonly timeoutMs: number) {}

  get description(): StageDescription {
    return {
      stage: 'deadline',
      purpose:
        'Limits the time of the whole call. Outside of everything that waits or repeats, so that it bounds waits and ' +
        'attempts together.',
      options: { timeoutMs: this.timeoutMs },
    };
  }

  run<T>(call: Context, next: Next<Context, T>): Promise<T> {
    call.startDeadline(this.timeoutMs);
    return next.run(call);
  }
}
