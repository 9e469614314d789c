import { type Clock } from '../../common/index.js';
import { type ResolvedHedgingOptions } from './hedge-options.js';

/** How long an attempt may go unanswered before another one is sent beside it. One belongs to one service. */
export class HedgeDelay {
  private readonly latencies: LatencyWindow | undefined;

  constructor(
    private readonly options: Pick<ResolvedHedgingOptions, 'delay'>,
    clock: Clock,
  ) {
    const { delay } = options;
    this.latencies = typeof delay === 'number' ? undefined : new LatencyWindow(delay.window, clock);
  }

  /** Undefined while there are too few samples to tell what is slow: then nothing is hedged. */
  get currentMs(): number | undefined {
    const { delay } = this.options;
    if (typeof delay === 'number') return delay;
    // Rounded up, since the weight of a call falls below 1 at once.
    if (!this.latencies || Math.ceil(this.latencies.count) < delay.minimumCalls) return undefined;
    const slow = this.latencies.percentile(delay.percentile) ?? Infinity;
    return Math.min(Math.max(slow, delay.minimum), delay.maximum);
  }

  /**
   * Records the latency of a first attempt that was answered, or the time so far of one that was given up for being slow.
   * Without the latter, each hedge would remove a slow sample, shorten the delay and so cause more hedges.
   */
  record(latencyMs: number): void {
    this.latencies?.record(latencyMs);
  }
}

/** Each bucket's upper bound is this many times that of the one below. */
const GROWTH = 1.05;
/** The upper bound of the lowest bucket. */
const LOWEST_MS = 0.1;
const LONGEST_MS = 3_600_000;
const BUCKETS = bucketOf(LONGEST_MS) + 1;
/** New weights grow by a factor of e per window; they are scaled down long before they overflow. */
const GREATEST_EXPONENT = 50;

function bucketOf(ms: number): number {
  return Math.max(0, Math.ceil(Math.log(Math.min(ms, LONGEST_MS) / LOWEST_MS) / Math.log(GROWTH)));
}

/**
 * A histogram of recent latencies in buckets that grow by 5%: a percentile is at most that much too high, and never too
 * low. Samples decay: the weight of each falls to 1/e within the window, so that at a steady rate the weights add up to
 * the calls of one window.
 *
 * It needs neither a timer nor the single samples. The fading is the forward decay of Cormode, Shkapenyuk,
 * Srivastava and Xu (2009): instead of old weights falling, new ones grow.
 */
export class LatencyWindow {
  private readonly weights = new Float64Array(BUCKETS);
  private total = 0;
  /** When a latency had the weight 1. */
  private landmark: number;

  constructor(
    private readonly windowMs: number,
    private readonly clock: Clock,
  ) {
    this.landmark = clock.now();
  }

  /** The number of samples, each by its remaining weight. */
  get count(): number {
    return this.total / this.weightAt(this.clock.now());
  }

  record(latencyMs: number): void {
    const now = this.clock.now();
    if (now - this.landmark > GREATEST_EXPONENT * this.windowMs) this.scaleDown(now);
    const weight = this.weightAt(now);
    const bucket = bucketOf(latencyMs);
    this.weights[bucket] = (this.weights[bucket] ?? 0) + weight;
    this.total += weight;
  }

  /**
   * The latency below which that share of the samples lies; undefined without samples.
   * @param percent 95: at most 5% are above
   */
  percentile(percent: number): number | undefined {
    if (this.total === 0) return undefined;
    // Tolerance for rounding errors of the summed weights.
    const most = this.total * (1 - percent / 100) * (1 + 1e-9);
    let above = 0;
    let bucket = BUCKETS - 1;
    for (; bucket > 0; bucket--) {
      above += this.weights[bucket] ?? 0;
      if (above > most) break;
    }
    return LOWEST_MS * GROWTH ** bucket;
  }

  /** The weight of a sample that is recorded now. */
  private weightAt(now: number): number {
    return Math.exp((now - this.landmark) / this.windowMs);
  }

  private scaleDown(now: number): void {
    const factor = 1 / this.weightAt(now);
    this.landmark = now;
    this.total = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      const scaled = this.weights[bucket]! * factor;
      this.weights[bucket] = scaled;
      this.total += scaled;
    }
  }
}
