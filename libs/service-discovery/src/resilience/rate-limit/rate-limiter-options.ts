import { OptionValidator, type Duration } from '../../common/index.js';

/** How many calls may be made per unit of time. */
export interface RateLimiterOptions {
  /** Calls per `per`, in the long run. From 0.001 to 1,000,000, and at most 1,000 a millisecond; there is no default. */
  rate: number;
  /**
   * The time that `rate` is for. From 1 ms to 1 day.
   * @default 1 s
   */
  per?: Duration;
  /**
   * Calls that may be made at once after a quiet time; 1 spaces all calls evenly. No period has more calls than `burst`
   * plus what `rate` allows for it. A whole number from 1 to 1,000,000.
   * @default `rate`, rounded down, at least 1
   */
  burst?: number;
  /**
   * How long a call may wait for a token, first come first served; one that would wait longer is refused at once.
   * From 0 to 1 day.
   * @default 0
   */
  maxWait?: Duration;
}

/** `rate` depends on what is protected, so it has to be given. */
export const DEFAULT_RATE_LIMITER_OPTIONS: Readonly<Pick<Required<RateLimiterOptions>, 'per' | 'maxWait'>> = {
  per: 1_000,
  maxWait: 0,
};

/** Checked options with every default filled in: durations are milliseconds. May be given wherever options are taken. */
export interface ResolvedRateLimiterOptions extends Readonly<Required<RateLimiterOptions>> {
  readonly per: number;
  readonly maxWait: number;
}

const DAY_MS = 86_400_000;
const MOST_CALLS = 1_000_000;
/** With more, the time between two calls would get lost in the rounding of a clock that has run for months. */
const MOST_PER_MS = 1_000;

/**
 * Fills in the defaults and checks every option.
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveRateLimiterOptions(options: RateLimiterOptions, path = 'rateLimit'): ResolvedRateLimiterOptions {
  const check = new OptionValidator(path);
  const withoutDefault = ['rate', 'burst'];
  const given = check.options<Partial<RateLimiterOptions>>('', options, DEFAULT_RATE_LIMITER_OPTIONS, withoutDefault);
  const rate = check.number('rate', given.rate, { min: 0.001, max: MOST_CALLS });
  const resolved: ResolvedRateLimiterOptions = {
    rate,
    per: check.duration('per', given.per, { minMs: 1, maxMs: DAY_MS }),
    burst:
      given.burst === undefined
        ? Math.max(1, Math.floor(rate))
        : check.number('burst', given.burst, { min: 1, max: MOST_CALLS, integer: true }),
    maxWait: check.duration('maxWait', given.maxWait, { maxMs: DAY_MS, usuallyMs: true }),
  };
  if (resolved.rate / resolved.per > MOST_PER_MS) {
    check.problem('rate', given.rate, `at most ${MOST_PER_MS} calls a millisecond`);
  }
  check.throwIfAny();
  return check.checked(resolved);
}
