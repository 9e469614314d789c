import {
  count,
  custom,
  derived,
  duration,
  type Duration,
  number,
  OptionGroup,
  type OptionsOf,
  type OptionValidator,
  type ResolvedOf,
} from '../../common/index.js';

const LONGEST_DELAY_MS = 3_600_000;
const PERCENTILES = { min: 50, max: 99.9 };

/** A delay that follows the latencies: an attempt that is unanswered then is slower than most. */
export const HEDGE_DELAY_OPTIONS = new OptionGroup(
  'delay',
  {
    /**
     * The percentile of the latencies after which an attempt is hedged: 95 hedges the slowest 5%. From 50 to 99.9.
     * @default 95
     */
    percentile: number({ default: 95, ...PERCENTILES }),
    /**
     * The shortest delay. From 0 to 1 h.
     * @default 1 ms
     */
    minimum: duration({ default: 1, maxMs: LONGEST_DELAY_MS, usuallyMs: true }),
    /**
     * The longest delay, at least `minimum`. From 0 to 1 h.
     * @default 10 s
     */
    maximum: duration({ default: 10_000, maxMs: LONGEST_DELAY_MS, usuallyMs: true }),
    /**
     * How many calls the percentile needs; with fewer there are no hedges. At least enough for one call to lie above it: 20 for the 95th, 100 for the 99th. A whole number from 2 to 100,000.
     * @default 20, or as many as the percentile takes
     */
    minimumCalls: derived(count({ min: 2, max: 100_000 })),
    /**
     * How long a latency counts: its weight falls to 1/e within that time. From 1 s to 1 h.
     * @default 60 s
     */
    window: duration({ default: 60_000, minMs: 1_000, maxMs: 3_600_000 }),
  },
  (resolved, given, check) => {
    const { percentile, minimum, maximum } = resolved;
    const fewest = callsFor(percentile);
    resolved.minimumCalls ??= fewest > 20 ? fewest : 20;
    if (resolved.minimumCalls < fewest) {
      check.problem(
        'minimumCalls',
        given.minimumCalls,
        `at least ${fewest}, so that a call is expected above the percentile`,
      );
    }
    if (maximum < minimum) {
      check.problem('maximum', given.maximum ?? maximum, `a duration not shorter than minimum, which is ${minimum}ms`);
    }
  },
);

export interface HedgeDelayOptions extends OptionsOf<typeof HEDGE_DELAY_OPTIONS> {}
export interface ResolvedHedgeDelayOptions extends ResolvedOf<typeof HEDGE_DELAY_OPTIONS> {}

/** A percentile of the latencies, from `'p50'` to `'p99.9'`. */
export type HedgePercentile = `p${number}`;

/**
 * When a second attempt is sent beside a first one that takes long, and the first answer wins (Dean and Barroso, "The
 * Tail at Scale", 2013). Only calls that may be sent twice are hedged, within the retry budget.
 */
export const HEDGING_OPTIONS = new OptionGroup('hedging', {
  /**
   * How long an attempt may go unanswered before another one is sent beside it: a percentile of the latencies such as
   * `'p95'`, one with settings of its own, or a fixed duration from 0 to 1 h.
   * @default 'p95'
   */
  delay: custom<Duration | HedgePercentile | Partial<HedgeDelayOptions>, number | ResolvedHedgeDelayOptions>({
    default: 'p95',
    range: "'p50'–'p99.9'; 0–1 h; options",
    kind: 'duration',
    inner: HEDGE_DELAY_OPTIONS,
    read: readDelay,
  }),
  /**
   * How many attempts may be sent beside the first one, each a delay after the one before. A whole number from 1 to 5.
   * @default 1
   */
  maxHedges: count({ default: 1, min: 1, max: 5 }),
});

export interface HedgingOptions extends OptionsOf<typeof HEDGING_OPTIONS> {}
export interface ResolvedHedgingOptions extends ResolvedOf<typeof HEDGING_OPTIONS> {}

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

function readDelay(delay: unknown, path: string, check: OptionValidator): number | ResolvedHedgeDelayOptions {
  const percentile = typeof delay === 'string' ? /^p(\d+(?:\.\d+)?)$/.exec(delay.trim())?.[1] : undefined;
  if (percentile !== undefined) {
    if (isPercentile(Number(percentile))) return HEDGE_DELAY_OPTIONS.resolve({ percentile: Number(percentile) }, '');
    check.problem(path, delay, "a percentile from 'p50' to 'p99.9'");
    return Number.NaN;
  }
  if (typeof delay !== 'object') return check.duration(path, delay, { maxMs: LONGEST_DELAY_MS, usuallyMs: true });
  return (
    check.gather(() => HEDGE_DELAY_OPTIONS.resolve(delay as Partial<HedgeDelayOptions>, check.pathOf(path))) ??
    Number.NaN
  );
}

/** The number of calls of which one is expected above a percentile. */
function callsFor(percentile: number): number {
  return Math.ceil(Math.round(1e8 / (100 - percentile)) / 1e6);
}

function isPercentile(percentile: number): boolean {
  return percentile >= PERCENTILES.min && percentile <= PERCENTILES.max;
}
