import { AttemptTimeoutError } from '../../common/index.js';
import {
  type Next,
  type PolicyCall,
  type Stage,
  type StageDescription,
  type TimeStageDeps,
} from '../pipeline/stage.js';
import { withinLimit } from './within-limit.js';

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

  run<T>(call: PolicyCall, next: Next<T>): Promise<T> {
    const { timeoutMs, deps } = this;
    const timeoutError = (): Error => new AttemptTimeoutError(timeoutMs, { service: deps.name });
    return withinLimit(call, deps.timers, { ms: timeoutMs, timeoutError }, ({ signal }) => next({ ...call, signal }));
  }
}
