import { OptionValidator, type Duration } from '../../common/index.js';

/** The minimum sample for comparing instances. */
export interface OutlierSample {
  /** How many instances must have had `minimumCalls` within the interval. A whole number from 2 to 1,000. */
  minimumInstances: number;
  /** How many calls an instance must have had within the interval to be judged. A whole number from 1 to 1,000,000. */
  minimumCalls: number;
}

/** Ejects instances that succeed less often than the others. */
export interface SuccessRateOptions extends OutlierSample {
  /** By how many standard deviations of the others the rate has to be below theirs. From 0 to 100. @default 1.9 */
  factor: number;
  /** How far the rate has to be below that of the others in any case, as a share of the calls. From 0 to 1. @default 0.05 */
  margin: number;
}

/** Ejects instances that fail too often, regardless of the others. */
export interface FailurePercentageOptions extends OutlierSample {
  /** How many percent of the calls have to fail. From 1 to 100. @default 85 */
  threshold: number;
}

/** Ejects instances that answer more slowly than the others. Uses successful calls only. */
export interface LatencyOptions extends OutlierSample {
  /** How many times as long as the others' an instance's latency has to be. From 1.1 to 1,000. @default 3 */
  factor: number;
  /** How much longer it has to be in any case. From 0 to 1 day. @default 50 ms */
  margin: Duration;
  /** Which latency: 0.5 for the median of its last 100 calls within the interval, 0.9 for the 90th percentile. From 0.01 to 0.99. @default 0.5 */
  quantile: number;
}

/** Which instances are ejected as outliers, and for how long. */
export interface OutlierDetectionOptions {
  /** How many failures in a row, all younger than `maxEjectionTime`, eject an instance. A whole number from 1 to 1,000; false: any number. @default 5 */
  consecutiveFailures: number | false;
  /** @default {} (3 instances with 20 calls each) */
  successRate: Partial<SuccessRateOptions> | false;
  /** @default {} (2 instances with 20 calls each) */
  failurePercentage: Partial<FailurePercentageOptions> | false;
  /** `{}` takes its defaults (3 instances with 20 calls each). @default false */
  latency: Partial<LatencyOptions> | false;
  /** How often rates and latencies are compared; each time only what came since the time before. From 100 ms to 1 h. @default 10 s */
  interval: Duration;
  /** How long the first ejection lasts; the next one twice, then three times as long. From 1 ms to 1 day. @default 30 s */
  ejectionTime: Duration;
  /** The longest ejection, at least `ejectionTime`. From 1 ms to 1 day. @default 300 s, or `ejectionTime` where that is longer */
  maxEjectionTime: Duration;
  /** The random share by which an ejection is longer, so that not all callers come back at the same moment. From 0 to 1. @default 0.1 */
  ejectionJitter: number;
  /**
   * Which share of the instances may be ejected at the same time, rounded down, from 0.01 to 1. One may always be where
   * there are two or more, and never are all.
   * @default 0.3
   */
  maxEjectedShare: number;
  /**
   * Whether calls avoid ejected instances. False is a dry run: events and `explain` show every ejection, and calls are not
   * affected (`enforcing_*` of Envoy at 0).
   * @default true
   */
  enforcing: boolean;
}

export const DEFAULT_OUTLIER_DETECTION_OPTIONS: Readonly<OutlierDetectionOptions> = {
  consecutiveFailures: 5,
  successRate: {},
  failurePercentage: {},
  latency: false,
  interval: 10_000,
  ejectionTime: 30_000,
  maxEjectionTime: 300_000,
  ejectionJitter: 0.1,
  maxEjectedShare: 0.3,
  enforcing: true,
};

const DEFAULT_SUCCESS_RATE: SuccessRateOptions = { minimumInstances: 3, minimumCalls: 20, factor: 1.9, margin: 0.05 };
const DEFAULT_FAILURE_PERCENTAGE: FailurePercentageOptions = { minimumInstances: 2, minimumCalls: 20, threshold: 85 };
const DEFAULT_LATENCY: LatencyOptions = {
  minimumInstances: 3,
  minimumCalls: 20,
  factor: 3,
  margin: 50,
  quantile: 0.5,
};

/** Checked options with every default filled in: durations are milliseconds. May be given wherever options are taken. */
export interface ResolvedOutlierDetectionOptions {
  readonly consecutiveFailures: number | false;
  readonly successRate: Readonly<SuccessRateOptions> | false;
  readonly failurePercentage: Readonly<FailurePercentageOptions> | false;
  readonly latency: (Readonly<LatencyOptions> & { readonly margin: number }) | false;
  readonly interval: number;
  readonly ejectionTime: number;
  readonly maxEjectionTime: number;
  readonly ejectionJitter: number;
  readonly maxEjectedShare: number;
  readonly enforcing: boolean;
}

const ONE_DAY_MS = 86_400_000;

/**
 * Fills in the defaults and checks every option.
 * @param path where the options stand, for the error: `outlierDetection.interval`
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveOutlierDetectionOptions(
  options?: Partial<OutlierDetectionOptions>,
  path = 'outlierDetection',
): ResolvedOutlierDetectionOptions {
  const check = new OptionValidator(path);
  const given = check.options('', options, DEFAULT_OUTLIER_DETECTION_OPTIONS);
  const time = (name: 'ejectionTime' | 'maxEjectionTime'): number =>
    check.duration(name, given[name], { minMs: 1, maxMs: ONE_DAY_MS });
  const { consecutiveFailures } = given;
  const ejectionTime = time('ejectionTime');
  const maxEjectionTime = time('maxEjectionTime');
  const resolved: ResolvedOutlierDetectionOptions = {
    consecutiveFailures:
      consecutiveFailures !== false &&
      check.number('consecutiveFailures', consecutiveFailures, { min: 1, max: 1_000, integer: true }),
    successRate: given.successRate !== false && resolveSuccessRate(given.successRate, check),
    failurePercentage: given.failurePercentage !== false && resolveFailurePercentage(given.failurePercentage, check),
    latency: given.latency !== false && resolveLatency(given.latency, check),
    interval: check.duration('interval', given.interval, { minMs: 100, maxMs: 3_600_000 }),
    ejectionTime,
    // A default yields to what was set; only two options that were both set can contradict each other.
    maxEjectionTime: options?.maxEjectionTime === undefined ? Math.max(maxEjectionTime, ejectionTime) : maxEjectionTime,
    ejectionJitter: check.number('ejectionJitter', given.ejectionJitter, { min: 0, max: 1 }),
    maxEjectedShare: check.number('maxEjectedShare', given.maxEjectedShare, { min: 0.01, max: 1 }),
    enforcing: check.boolean('enforcing', given.enforcing),
  };
  if (resolved.maxEjectionTime < ejectionTime) {
    const expected = `a duration not shorter than ejectionTime, which is ${ejectionTime}ms`;
    check.problem('maxEjectionTime', given.maxEjectionTime, expected);
  }
  if ([resolved.consecutiveFailures, resolved.successRate, resolved.failurePercentage, resolved.latency].every(isOff)) {
    const expected =
      'a number where successRate, failurePercentage and latency are off, too: else nothing is ever ejected';
    check.problem('consecutiveFailures', false, expected);
  }
  check.throwIfAny();
  return check.checked(resolved);
}

function isOff(rule: unknown): boolean {
  return rule === false;
}

function resolveSuccessRate(options: Partial<SuccessRateOptions>, check: OptionValidator): SuccessRateOptions {
  const given = check.options('successRate', options, DEFAULT_SUCCESS_RATE);
  return {
    ...checkSample('successRate', given, check),
    factor: check.number('successRate.factor', given.factor, { min: 0, max: 100 }),
    margin: check.number('successRate.margin', given.margin, { min: 0, max: 1 }),
  };
}

function resolveFailurePercentage(
  options: Partial<FailurePercentageOptions>,
  check: OptionValidator,
): FailurePercentageOptions {
  const given = check.options('failurePercentage', options, DEFAULT_FAILURE_PERCENTAGE);
  return {
    ...checkSample('failurePercentage', given, check),
    threshold: check.number('failurePercentage.threshold', given.threshold, { min: 1, max: 100 }),
  };
}

function resolveLatency(options: Partial<LatencyOptions>, check: OptionValidator): LatencyOptions & { margin: number } {
  const given = check.options('latency', options, DEFAULT_LATENCY);
  return {
    ...checkSample('latency', given, check),
    factor: check.number('latency.factor', given.factor, { min: 1.1, max: 1_000 }),
    margin: check.duration('latency.margin', given.margin, { maxMs: ONE_DAY_MS, usuallyMs: true }),
    quantile: check.number('latency.quantile', given.quantile, { min: 0.01, max: 0.99 }),
  };
}

/** A comparison takes two; the failure percentage compares nothing, but a single instance is never ejected. */
function checkSample(rule: string, given: OutlierSample, check: OptionValidator): OutlierSample {
  return {
    minimumInstances: check.number(`${rule}.minimumInstances`, given.minimumInstances, {
      min: 2,
      max: 1_000,
      integer: true,
    }),
    minimumCalls: check.number(`${rule}.minimumCalls`, given.minimumCalls, { min: 1, max: 1_000_000, integer: true }),
  };
}
