import { type Clock } from '../../common/index.js';
import { type ResolvedRateLimiterOptions } from './rate-limiter-options.js';
import { RateLimiter } from './rate-limiter.js';
import { runGuarded, type GuardDeps } from '../pipeline/guard.js';
import { type Next, type PolicyCall, type Stage, type StageDescription } from '../pipeline/stage.js';

/** Lets only so many calls through in a time. */
export class RateLimitStage implements Stage {
  readonly description: StageDescription;
  private readonly limiter: RateLimiter;

  constructor(
    options: ResolvedRateLimiterOptions,
    private readonly deps: GuardDeps & { readonly clock: Clock },
  ) {
    this.limiter = new RateLimiter(options, deps);
    this.description = {
      stage: 'rate_limit',
      purpose:
        'Limits the calls in a time. Inside of the deadline, which the wait for a turn counts for; outside of the ' +
        'bulkhead, so that nobody waits for it with a slot in hand.',
      options: { ...options },
    };
  }

  run<T>(call: PolicyCall, next: Next<T>): Promise<T> {
    const guard = (enter: () => Promise<T>): Promise<T> => this.limiter.execute(enter, call.signal);
    return runGuarded({ stage: 'rate_limit', code: 'RATE_LIMITED' }, guard, call, next, this.deps);
  }
}
