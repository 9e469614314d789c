import { type Clock } from '../../common/index.js';
import { type ResolvedAdaptiveLimitOptions } from '../adaptive-limit-options.js';
import { AdaptiveLimit } from '../adaptive-limit.js';
import { runGuarded, type GuardDeps } from './guard.js';
import { type Next, type PolicyCall, type Stage, type StageDescription } from './stage.js';

/** Lets only as many calls run at once as the callee is found to handle. */
export class AdaptiveConcurrencyStage implements Stage {
  readonly description: StageDescription;
  private readonly limit: AdaptiveLimit;

  constructor(
    options: ResolvedAdaptiveLimitOptions,
    private readonly deps: GuardDeps & { readonly clock: Clock },
  ) {
    this.limit = new AdaptiveLimit(options, deps);
    this.description = {
      stage: 'adaptive_concurrency',
      purpose:
        'Limits the calls that run at once to what the callee is found to handle. Outside of retry, so that a refusal is ' +
        'neither retried nor counted by the circuit breaker.',
      options: { ...options },
    };
  }

  run<T>(call: PolicyCall, next: Next<T>): Promise<T> {
    const guard = (enter: () => Promise<T>): Promise<T> => this.limit.execute(enter, call.signal);
    return runGuarded({ stage: 'adaptive_concurrency', code: 'CONCURRENCY_LIMITED' }, guard, call, next, this.deps);
  }
}
