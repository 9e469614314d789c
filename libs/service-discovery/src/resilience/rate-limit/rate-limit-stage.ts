import { type CallContext } from '../pipeline/call-context.js';
import { refused } from '../pipeline/refused.js';
import { type Next, type Stage, type StageDescription } from '../pipeline/stage.js';
import { type ResolvedRateLimiterOptions } from './rate-limiter-options.js';
import { type RateLimiter } from './rate-limiter.js';

/** Limits the calls per unit of time. */
export class RateLimitStage<Context extends CallContext> implements Stage<Context> {
  constructor(
    private readonly options: ResolvedRateLimiterOptions,
    private readonly limiter: RateLimiter,
  ) {}

  get description(): StageDescription {
    return {
      stage: 'rate_limit',
      purpose:
        'Limits the calls per unit of time. Inside of the deadline, which covers the wait for a token; outside of the ' +
        'bulkhead, so that no call holds a slot while it waits.',
      options: { ...this.options },
    };
  }

  async run<T>(call: Context, next: Next<Context, T>): Promise<T> {
    const { scope } = call;
    // Only a call that has to wait needs a signal.
    if (!scope.aborted && this.limiter.tryAcquire()) return next.run(call);
    try {
      await this.limiter.acquire(scope.signal, call.remainingMs());
    } catch (error) {
      throw refused(call, 'rate_limit', error);
    }
    return next.run(call);
  }
}
