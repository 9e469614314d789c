import { OptionValidator, type Duration } from '../../common/index.js';

/** How a concurrency limit adapts to the callee. */
export interface AdaptiveLimitOptions {
  /**
   * The first limit. A whole number from `min` to `max`.
   * @default 20, or the nearest that is allowed
   */
  initial: number;
  /**
   * The lowest limit. A whole number from 1 to `max`.
   * @default 4, or `max`
   */
  min: number;
  /**
   * The highest limit. A whole number from 1 to 100,000.
   * @default 1000
   */
  max: number;
  /**
   * The factor by which latency may exceed that without load before the limit falls. From 1.1 to 10.
   * @default 1.5
   */
  tolerance: number;
  /**
   * How fast the limit rises while calls reach it and answers are fast: by this factor of its square root per window.
   * From 0.01 to 1.
   * @default 0.2
   */
  smoothing: number;
  /**
   * The time between two steps of the limit: longer when there are fewer than 20 answers, or when they take more than half
   * of it. From 10 ms to 1 min.
   * @default 100 ms
   */
  window: Duration;
  /**
   * Calls beyond the limit that may wait, first come first served; more are refused. A whole number from 0 to 100,000.
   * @default 0
   */
  maxQueue: number;
  /**
   * How long a call may wait. From 1 ms to 1 h.
   * @default 1 s
   */
  maxWait: Duration;
}

export const DEFAULT_ADAPTIVE_LIMIT_OPTIONS: Readonly<AdaptiveLimitOptions> = {
  initial: 20,
  min: 4,
  max: 1_000,
  tolerance: 1.5,
  smoothing: 0.2,
  window: 100,
  maxQueue: 0,
  maxWait: 1_000,
};

/** Checked options with every default filled in: durations are milliseconds. May be given wherever options are taken. */
export interface ResolvedAdaptiveLimitOptions extends Readonly<AdaptiveLimitOptions> {
  readonly window: number;
  readonly maxWait: number;
}

const MOST_CALLS = 100_000;

/**
 * Fills in the defaults and checks every option.
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveAdaptiveLimitOptions(
  options?: Partial<AdaptiveLimitOptions>,
  path = 'adaptiveConcurrency',
): ResolvedAdaptiveLimitOptions {
  const check = new OptionValidator(path);
  const given = check.options('', options, DEFAULT_ADAPTIVE_LIMIT_OPTIONS);
  const count = (name: 'initial' | 'min' | 'max' | 'maxQueue', value: number, least: number, most: number): number =>
    check.number(name, value, { min: least, max: most, integer: true });
  const max = count('max', given.max, 1, MOST_CALLS);
  const min = count('min', options?.min ?? Math.min(given.min, max), 1, max || MOST_CALLS);
  const { initial: asked } = options ?? {};
  // With wrong limits no default fits, which is not reported as another mistake.
  const initial =
    asked === undefined
      ? Math.max(min, Math.min(given.initial, max))
      : count('initial', asked, min || 1, max || MOST_CALLS);
  const resolved: ResolvedAdaptiveLimitOptions = {
    initial,
    min,
    max,
    tolerance: check.number('tolerance', given.tolerance, { min: 1.1, max: 10 }),
    smoothing: check.number('smoothing', given.smoothing, { min: 0.01, max: 1 }),
    window: check.duration('window', given.window, { minMs: 10, maxMs: 60_000, usuallyMs: true }),
    maxQueue: count('maxQueue', given.maxQueue, 0, MOST_CALLS),
    maxWait: check.duration('maxWait', given.maxWait, { minMs: 1, maxMs: 3_600_000, usuallyMs: true }),
  };
  check.throwIfAny();
  return check.checked(resolved);
}
