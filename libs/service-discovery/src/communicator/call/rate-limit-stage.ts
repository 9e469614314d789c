import { type RateLimiter, type ResolvedRateLimiterOptions } from '../../resilience/index.js';
import { type Call } from './call.js';
import { refused } from './refused.js';
import { type CallStage, type CallStageDescription } from './stage.js';

/** Lets only so many calls through in a time. */
export class RateLimitStage implements CallStage {
  constructor(
    private readonly options: ResolvedRateLimiterOptions,
    private readonly limiter: RateLimiter,
    private readonly next: CallStage,
  ) {}

  describe(): CallStageDescription[] {
    const purpose =
      'Limits the calls in a time. Inside of the deadline, which the wait for a turn counts for; outside of the bulkhead, ' +
      'so that nobody waits for it with a slot in hand.';
    return [{ stage: 'rate_limit', per: 'service', purpose, options: { ...this.options } }, ...this.next.describe()];
  }

  async run<T>(call: Call<T>): Promise<T> {
    const { scope } = call;
    // A signal is made only for who has to wait.
    if (!scope.aborted && this.limiter.tryAcquire()) return this.next.run(call);
    try {
      await this.limiter.acquire(scope.signal, scope.remainingMs());
    } catch (error) {
      throw refused(call, 'rate_limit', error);
    }
    return this.next.run(call);
  }
}
