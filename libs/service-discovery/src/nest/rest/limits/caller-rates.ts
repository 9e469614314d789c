import { type Clock } from '../../../common/index.js';
import { RateLimiter } from '../../../resilience/index.js';

/** How many callers have a token bucket at once; beyond that, the first one begins with a full bucket again. */
const MOST_CALLERS = 10_000;

/** A token bucket for each caller. */
export class CallerRates {
  private readonly limiters = new Map<string, RateLimiter>();

  constructor(
    private readonly perMinute: number,
    private readonly clock: Clock,
  ) {}

  /** Takes a token of a caller. @returns 0, or in how many milliseconds there is one */
  take(caller: string): number {
    const limiter = this.limiters.get(caller) ?? this.create(caller);
    return limiter.tryAcquire() ? 0 : Math.ceil(limiter.snapshot().waitMs);
  }

  private create(caller: string): RateLimiter {
    const [first] = this.limiters.keys();
    if (first !== undefined && this.limiters.size >= MOST_CALLERS) this.limiters.delete(first);
    const limiter = new RateLimiter({ rate: this.perMinute, per: '1m' }, { clock: this.clock });
    this.limiters.set(caller, limiter);
    return limiter;
  }
}
