import {
  count,
  derived,
  duration,
  type GivenOptionsOf,
  number,
  OptionGroup,
  type ResolvedOf,
} from '../../common/index.js';

const DAY_MS = 86_400_000;
const MOST_CALLS = 1_000_000;
/** With more, the time between two calls would get lost in the rounding of a clock that has run for months. */
const MOST_PER_MS = 1_000;

/** How many calls may be made per unit of time. */
export const RATE_LIMITER_OPTIONS = new OptionGroup(
  'rateLimit',
  {
    /** Calls per `per`, in the long run. From 0.001 to 1,000,000, and at most 1,000 a millisecond; there is no default. */
    rate: number({ min: 0.001, max: MOST_CALLS }),
    /**
     * The time that `rate` is for. From 1 ms to 1 day.
     * @default 1 s
     */
    per: duration({ default: 1_000, minMs: 1, maxMs: DAY_MS }),
    /**
     * Calls that may be made at once after a quiet time; 1 spaces all calls evenly. No period has more calls than `burst`
     * plus what `rate` allows for it. A whole number from 1 to 1,000,000.
     * @default `rate`, rounded down, at least 1
     */
    burst: derived(count({ min: 1, max: MOST_CALLS })),
    /**
     * How long a call may wait for a token, first come first served; one that would wait longer is refused at once.
     * From 0 to 1 day.
     * @default 0
     */
    maxWait: duration({ default: 0, maxMs: DAY_MS, usuallyMs: true }),
  },
  (resolved, given, check) => {
    resolved.burst ??= Math.max(1, Math.floor(resolved.rate));
    if (resolved.rate / resolved.per > MOST_PER_MS) {
      check.problem('rate', given.rate, `at most ${MOST_PER_MS} calls a millisecond`);
    }
  },
);

export interface RateLimiterOptions extends GivenOptionsOf<typeof RATE_LIMITER_OPTIONS> {}
export interface ResolvedRateLimiterOptions extends ResolvedOf<typeof RATE_LIMITER_OPTIONS> {}
