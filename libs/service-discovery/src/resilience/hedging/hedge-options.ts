import { OptionValidator, type Duration } from '../../common/index.js';

/** A delay that follows the latencies: an attempt that is unanswered then is slower than most. */
export interface HedgeDelayOptions {
  /**
   * The percentile of the latencies after which an attempt is hedged: 95 hedges the slowest 5%. From 50 to 99.9.
   * @default 95
   */
  percentile: number;
  /**
   * The shortest delay. From 0 to 1 h.
   * @default 1 ms
   */
  minimum: Duration;
  /**
   * The longest delay, at least `minimum`. From 0 to 1 h.
   * @default 10 s
   */
  maximum: Duration;
  /**
   * How many calls the percentile needs; with fewer there are no hedges. At least enough for one call to lie above it: 20 for the 95th, 100 for the 99th. A whole number from 2 to 100,000.
   * @default 20, or as many as the percentile takes
   */
  minimumCalls: number;
  /**
   * How long a latency counts: its weight falls to 1/e within that time. From 1 s to 1 h.
   * @default 60 s
   */
  window: Duration;
}

/** A percentile of the latencies, from `'p50'` to `'p99.9'`. */
export type HedgePercentile = `p${number}`;

/**
 * When a second attempt is sent beside a first one that takes long, and the first answer wins (Dean and Barroso, "The
 * Tail at Scale", 2013). Only calls that may be sent twice are hedged, within the retry budget.
 */
export interface HedgingOptions {
  /**
   * How long an attempt may go unanswered before another one is sent beside it: a percentile of the latencies such as
   * `'p95'`, one with settings of its own, or a fixed duration from 0 to 1 h.
   * @default 'p95'
   */
  delay: Duration | HedgePercentile | Partial<HedgeDelayOptions>;
  /**
   * How many attempts may be sent beside the first one, each a delay after the one before. A whole number from 1 to 5.
   * @default 1
   */
  maxHedges: number;
}

/** The default of `minimumCalls` depends on the percentile. */
export const DEFAULT_HEDGE_DELAY_OPTIONS: Readonly<Omit<HedgeDelayOptions, 'minimumCalls'>> = {
  percentile: 95,
  minimum: 1,
  maximum: 10_000,
  window: 60_000,
};

export const DEFAULT_HEDGING_OPTIONS: Readonly<HedgingOptions> = { delay: 'p95', maxHedges: 1 };

/** Checked options with every default filled in: durations are milliseconds. */
export interface ResolvedHedgeDelayOptions extends Readonly<HedgeDelayOptions> {
  readonly minimum: number;
  readonly maximum: number;
  readonly window: number;
}

/** Checked options with every default filled in. May be given wherever options are taken. */
export interface ResolvedHedgingOptions extends Readonly<HedgingOptions> {
  /** Milliseconds, where it is fixed. */
  readonly delay: number | ResolvedHedgeDelayOptions;
}

const LONGEST_DELAY_MS = 3_600_000;
const PERCENTILES = { min: 50, max: 99.9 };

/**
 * Fills in the defaults and checks every option.
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveHedgingOptions(options?: Partial<HedgingOptions>, path = 'hedging'): ResolvedHedgingOptions {
  const check = new OptionValidator(path);
  const given = check.options('', options, DEFAULT_HEDGING_OPTIONS);
  const resolved: ResolvedHedgingOptions = {
    delay: resolveDelay(check, given.delay),
    maxHedges: check.number('maxHedges', given.maxHedges, { min: 1, max: 5, integer: true }),
  };
  check.throwIfAny();
  return check.checked(resolved);
}

/** The shortest possible delay: if attempts end sooner, there is never a hedge. */
export function shortestHedgeDelay({ delay }: ResolvedHedgingOptions): number {
  return typeof delay === 'number' ? delay : delay.minimum;
}

/** The limits that hedges have to fit into, in milliseconds; undefined: no such limit. */
export interface HedgeLimits {
  readonly timeout?: number;
  readonly attemptTimeout?: number;
  readonly retry?: { readonly maxAttempts: number };
}

/**
 * Reports hedges that could never be sent.
 * @param check of the options that `hedging` is one of
 */
export function checkHedging(check: OptionValidator, hedging: ResolvedHedgingOptions, limits: HedgeLimits): void {
  const { retry, attemptTimeout, timeout = Infinity } = limits;
  const delayMs = shortestHedgeDelay(hedging);
  const limitMs = attemptTimeout ?? timeout;
  if (delayMs >= limitMs) {
    const limit = `${attemptTimeout === undefined ? 'timeout' : 'attemptTimeout'}, which is ${limitMs}ms`;
    check.problem('hedging.delay', delayMs, `a delay shorter than ${limit}`);
  }
  if (retry && hedging.maxHedges >= retry.maxAttempts) {
    const expected = `fewer than retry.maxAttempts, which is ${retry.maxAttempts} and counts hedges`;
    check.problem('hedging.maxHedges', hedging.maxHedges, expected);
  }
}

function resolveDelay(check: OptionValidator, delay: unknown): ResolvedHedgingOptions['delay'] {
  const percentile = typeof delay === 'string' ? /^p(\d+(?:\.\d+)?)$/.exec(delay.trim())?.[1] : undefined;
  if (percentile !== undefined) {
    if (isPercentile(Number(percentile))) return resolveHedgeDelayOptions({ percentile: Number(percentile) }, '');
    check.problem('delay', delay, "a percentile from 'p50' to 'p99.9'");
    return Number.NaN;
  }
  if (typeof delay !== 'object') return check.duration('delay', delay, { maxMs: LONGEST_DELAY_MS, usuallyMs: true });
  return (
    check.gather(() => resolveHedgeDelayOptions(delay as Partial<HedgeDelayOptions>, check.pathOf('delay'))) ??
    Number.NaN
  );
}

function resolveHedgeDelayOptions(options: Partial<HedgeDelayOptions>, path: string): ResolvedHedgeDelayOptions {
  const check = new OptionValidator(path);
  const given = check.options<Partial<HedgeDelayOptions>>('', options, DEFAULT_HEDGE_DELAY_OPTIONS, ['minimumCalls']);
  const percentile = check.number('percentile', given.percentile, PERCENTILES);
  const fewest = callsFor(percentile);
  const { minimumCalls = fewest > 20 ? fewest : 20 } = given;
  const resolved: ResolvedHedgeDelayOptions = {
    percentile,
    minimum: check.duration('minimum', given.minimum, { maxMs: LONGEST_DELAY_MS, usuallyMs: true }),
    maximum: check.duration('maximum', given.maximum, { maxMs: LONGEST_DELAY_MS, usuallyMs: true }),
    minimumCalls: check.number('minimumCalls', minimumCalls, { min: 2, max: 100_000, integer: true }),
    window: check.duration('window', given.window, { minMs: 1_000, maxMs: 3_600_000 }),
  };
  if (resolved.minimumCalls < fewest) {
    check.problem('minimumCalls', minimumCalls, `at least ${fewest}, so that a call is expected above the percentile`);
  }
  if (resolved.maximum < resolved.minimum) {
    check.problem('maximum', given.maximum, `a duration not shorter than minimum, which is ${resolved.minimum}ms`);
  }
  check.throwIfAny();
  return check.checked(resolved);
}

/** The number of calls of which one is expected above a percentile. */
function callsFor(percentile: number): number {
  return Math.ceil(Math.round(1e8 / (100 - percentile)) / 1e6);
}

function isPercentile(percentile: number): boolean {
  return percentile >= PERCENTILES.min && percentile <= PERCENTILES.max;
}
