import {
  boolean,
  count,
  duration,
  group,
  number,
  OptionGroup,
  type OptionsOf,
  orFalse,
  type ResolvedOf,
} from '../../common/index.js';

const ONE_DAY_MS = 86_400_000;

const minimumCalls = count({ default: 20, min: 1, max: 1_000_000 });

/** Ejects instances that succeed less often than the others. */
const SUCCESS_RATE_OPTIONS = new OptionGroup('successRate', {
  /** How many instances must have had `minimumCalls` within the interval. A whole number from 2 to 1,000. @default 3 */
  minimumInstances: count({ default: 3, min: 2, max: 1_000 }),
  /** How many calls an instance must have had within the interval to be judged. A whole number from 1 to 1,000,000. @default 20 */
  minimumCalls,
  /** By how many standard deviations of the others the rate has to be below theirs. From 0 to 100. @default 1.9 */
  factor: number({ default: 1.9, min: 0, max: 100 }),
  /** How far the rate has to be below that of the others in any case, as a share of the calls. From 0 to 1. @default 0.05 */
  margin: number({ default: 0.05, min: 0, max: 1 }),
});

/** Ejects instances that fail too often, regardless of the others. A single instance is never ejected. */
const FAILURE_PERCENTAGE_OPTIONS = new OptionGroup('failurePercentage', {
  /** How many instances must have had `minimumCalls` within the interval. A whole number from 2 to 1,000. @default 2 */
  minimumInstances: count({ default: 2, min: 2, max: 1_000 }),
  /** How many calls an instance must have had within the interval to be judged. A whole number from 1 to 1,000,000. @default 20 */
  minimumCalls,
  /** How many percent of the calls have to fail. From 1 to 100. @default 85 */
  threshold: number({ default: 85, min: 1, max: 100 }),
});

/** Ejects instances that answer more slowly than the others. Uses successful calls only. */
const LATENCY_OPTIONS = new OptionGroup('latency', {
  /** How many instances must have had `minimumCalls` within the interval. A whole number from 2 to 1,000. @default 3 */
  minimumInstances: count({ default: 3, min: 2, max: 1_000 }),
  /** How many calls an instance must have had within the interval to be judged. A whole number from 1 to 1,000,000. @default 20 */
  minimumCalls,
  /** How many times as long as the others' an instance's latency has to be. From 1.1 to 1,000. @default 3 */
  factor: number({ default: 3, min: 1.1, max: 1_000 }),
  /** How much longer it has to be in any case. From 0 to 1 day. @default 50 ms */
  margin: duration({ default: 50, maxMs: ONE_DAY_MS, usuallyMs: true }),
  /**
   * Which latency: 0.5 for the median of its last 100 calls within the interval, 0.9 for the 90th percentile. From 0.01 to
   * 0.99.
   * @default 0.5
   */
  quantile: number({ default: 0.5, min: 0.01, max: 0.99 }),
});

export interface SuccessRateOptions extends OptionsOf<typeof SUCCESS_RATE_OPTIONS> {}
export interface FailurePercentageOptions extends OptionsOf<typeof FAILURE_PERCENTAGE_OPTIONS> {}
export interface LatencyOptions extends OptionsOf<typeof LATENCY_OPTIONS> {}
/** The minimum sample for comparing instances. */
export type OutlierSample = Pick<SuccessRateOptions, 'minimumInstances' | 'minimumCalls'>;

/** When instances are ejected as outliers, and for how long. */
export const OUTLIER_DETECTION_OPTIONS = new OptionGroup(
  'outlierDetection',
  {
    /** Consecutive failures, all younger than `maxEjectionTime`, that eject an instance. A whole number from 1 to 1,000; false: no such limit. @default 5 */
    consecutiveFailures: orFalse(count({ default: 5, min: 1, max: 1_000 })),
    /**
     * Ejects instances that succeed less often than the others; needs 3 instances with 20 calls each unless told otherwise.
     * @default {}
     */
    successRate: orFalse(group(SUCCESS_RATE_OPTIONS)),
    /**
     * Ejects instances that fail too often, whatever the others do; needs 2 instances with 20 calls each unless told otherwise.
     * @default {}
     */
    failurePercentage: orFalse(group(FAILURE_PERCENTAGE_OPTIONS)),
    /** Ejects instances that answer more slowly than the others; `{}` needs 3 instances with 20 calls each. @default false */
    latency: orFalse(group(LATENCY_OPTIONS), { default: false }),
    /** How often rates and latencies are compared; each comparison covers the calls since the one before. From 100 ms to 1 h. @default 10 s */
    interval: duration({ default: 10_000, minMs: 100, maxMs: 3_600_000 }),
    /** How long the first ejection lasts; the next one twice, then three times as long. From 1 ms to 1 day. @default 30 s */
    ejectionTime: duration({ default: 30_000, minMs: 1, maxMs: ONE_DAY_MS }),
    /** The longest ejection, at least `ejectionTime`. From 1 ms to 1 day. @default 300 s, or `ejectionTime` where that is longer */
    maxEjectionTime: duration({ default: 300_000, minMs: 1, maxMs: ONE_DAY_MS }),
    /** The random share by which an ejection is longer, so that not all callers come back at the same moment. From 0 to 1. @default 0.1 */
    ejectionJitter: number({ default: 0.1, min: 0, max: 1 }),
    /**
     * Maximum share of the instances that may be ejected at the same time, rounded down. From 0.01 to 1. With two or more
     * instances one may always be ejected, but never all.
     * @default 0.3
     */
    maxEjectedShare: number({ default: 0.3, min: 0.01, max: 1 }),
    /**
     * Whether calls avoid ejected instances. False is a dry run: events and `explain` show every ejection, and calls are not
     * affected (`enforcing_*` of Envoy at 0).
     * @default true
     */
    enforcing: boolean({ default: true }),
  },
  (resolved, given, check) => {
    const { ejectionTime, maxEjectionTime } = resolved;
    // A default yields to what was set; only two options that were both set can contradict each other.
    if (given.maxEjectionTime === undefined) resolved.maxEjectionTime = Math.max(maxEjectionTime, ejectionTime);
    else if (maxEjectionTime < ejectionTime) {
      const expected = `a duration not shorter than ejectionTime, which is ${ejectionTime}ms`;
      check.problem('maxEjectionTime', given.maxEjectionTime, expected);
    }
    const { consecutiveFailures, successRate, failurePercentage, latency } = resolved;
    if ([consecutiveFailures, successRate, failurePercentage, latency].every((rule) => rule === false)) {
      const expected =
        'a number where successRate, failurePercentage and latency are off, too: else nothing is ever ejected';
      check.problem('consecutiveFailures', false, expected);
    }
  },
);

export interface OutlierDetectionOptions extends OptionsOf<typeof OUTLIER_DETECTION_OPTIONS> {}
export interface ResolvedOutlierDetectionOptions extends ResolvedOf<typeof OUTLIER_DETECTION_OPTIONS> {}
