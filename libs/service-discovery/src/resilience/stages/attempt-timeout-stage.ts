import { AttemptTimeoutError, SignalCancellation } from '../../common/index.js';
import { CancelScope } from '../cancel-scope.js';
import { type Next, type PolicyCall, type Stage, type StageDescription, type TimeStageDeps } from './stage.js';

/** Ends an attempt that takes too long, so that another one may still succeed in time. */
export class AttemptTimeoutStage implements Stage {
  readonly description: StageDescription;

  constructor(
    private readonly timeoutMs: number,
    private readonly deps: TimeStageDeps,
  ) {
    this.description = {
      stage: 'attempt_timeout',
      purpose:
        'Limits one attempt. Inside of retry and circuit breaker, so that they see a slow attempt as a failed one.',
      options: { timeoutMs },
    };
  }

  async run<T>(call: PolicyCall, next: Next<T>): Promise<T> {
    const timeoutError = (): Error => new AttemptTimeoutError(this.timeoutMs, { service: this.deps.name });
    const scope = new CancelScope(this.deps.timers, new SignalCancellation(call.signal), {
      ms: this.timeoutMs,
      timeoutError,
    });
    try {
      return await next({ ...call, signal: scope.signal });
    } finally {
      scope.dispose();
    }
  }
}
