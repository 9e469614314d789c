import { type Clock } from '../../common/index.js';
import { type ResolvedHedgingOptions } from './hedge-options.js';
import { LatencyWindow } from './latency-window.js';

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
