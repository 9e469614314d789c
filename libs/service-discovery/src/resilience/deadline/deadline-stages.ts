import { AttemptTimeoutError, type Cancellation, type TimerWheel } from '../../common/index.js';
import { type CallContext, type Next, type Stage, type StageDescription } from '../pipeline/stage.js';
import { CancelScope } from './cancel-scope.js';

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

/** What the stages around one attempt of a function see of it. */
interface TimedAttempt {
  /** Ends the attempt. */
  scope: Cancellation;
}

/** Ends an attempt that takes too long, so that another one may still succeed in time. */
export class AttemptTimeoutStage<Context extends TimedAttempt> implements Stage<Context> {
  /** @param deps `name` is the `service` of its errors */
  constructor(
    private readonly timeoutMs: number,
    private readonly deps: { readonly timers: TimerWheel; readonly name: string },
  ) {}

  get description(): StageDescription {
    return {
      stage: 'attempt_timeout',
      purpose:
        'Limits the time of one attempt. Inside of retry and circuit breaker, so that they see a slow attempt as a failed one.',
      options: { timeoutMs: this.timeoutMs },
    };
  }

  async run<T>(attempt: Context, next: Next<Context, T>): Promise<T> {
    const { timeoutMs: ms, deps } = this;
    const timeoutError = (): Error => new AttemptTimeoutError(ms, { service: deps.name });
    const scope = new CancelScope(deps.timers, attempt.scope, { ms, timeoutError });
    scope.arm();
    attempt.scope = scope;
    try {
      return await next.run(attempt);
    } finally {
      scope.dispose();
    }
  }
}
