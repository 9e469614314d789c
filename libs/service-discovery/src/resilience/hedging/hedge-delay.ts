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

  /** Undefined while too few latencies are known to tell what is slow: then nothing is hedged. */
  get currentMs(): number | undefined {
    const { delay } = this.options;
    if (typeof delay === 'number') return delay;
    // One call a moment ago is not a whole one any more.
    if (!this.latencies || Math.ceil(this.latencies.count) < delay.minimumCalls) return undefined;
    const slow = this.latencies.percentile(delay.percentile) ?? Infinity;
    return Math.min(Math.max(slow, delay.minimum), delay.maximum);
  }

  /**
   * To be told of each first attempt that was answered, or that was given up for being slow: how long it took so far.
   * Leaving the latter out would make the slow ones fewer, the delay shorter and the hedges more with each hedge.
   */
  record(latencyMs: number): void {
    this.latencies?.record(latencyMs);
  }
}
