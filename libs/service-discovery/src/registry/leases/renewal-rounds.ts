import { type Clock, type Random, type Timer } from '../../common/index.js';

const LONGEST_INTERVAL_MS = 30_000;
const FIRST_RETRY_MS = 1_000;

export interface RenewalRoundsDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** The renewal interval, see {@link renewalInterval}. */
  readonly intervalMs?: number;
  /** One round. A rejection brings the next round forward; the feed reports the outage. */
  renew(): Promise<void>;
  /** Infinity if there is nothing to renew. */
  shortestTtlMs(): number;
}

/**
 * Renews leases in rounds that never overlap. After a failed round the next one comes within 1 s, then with a delay that
 * doubles up to the interval. Up to 20 % of jitter is subtracted from a delay, never added.
 */
export class RenewalRounds {
  private timer: Timer | undefined;
  private timerDue = Number.POSITIVE_INFINITY;
  private current: Promise<void> | undefined;
  private isWanted = false;
  private failures = 0;
  private stopped = false;

  constructor(private readonly deps: RenewalRoundsDeps) {}

  /** The round that is running; never rejects. */
  get running(): Promise<void> | undefined {
    return this.current;
  }

  /** Starts a round now, or right after the current one. */
  runNow(): void {
    if (this.stopped) return;
    if (this.current) this.isWanted = true;
    else this.begin();
  }

  /** Schedules a round in time for leases of this length, unless one is due sooner. */
  schedule(shortestTtlMs: number): void {
    if (this.current || this.stopped || shortestTtlMs === Number.POSITIVE_INFINITY) return;
    const { clock } = this.deps;
    const due = clock.now() + this.delayMs(shortestTtlMs);
    if (due >= this.timerDue) return;
    this.cancel();
    this.timerDue = due;
    this.timer = clock.setTimer(() => this.begin(), due - clock.now(), { keepAlive: false });
  }

  /** Cancels the round that is scheduled. */
  cancel(): void {
    this.timer?.cancel();
    this.timerDue = Number.POSITIVE_INFINITY;
  }

  stop(): void {
    this.stopped = true;
    this.cancel();
  }

  private delayMs(shortestTtlMs: number): number {
    const { intervalMs, random } = this.deps;
    const interval = renewalInterval(shortestTtlMs, intervalMs);
    const delay = this.failures > 0 ? Math.min(interval, FIRST_RETRY_MS * 2 ** (this.failures - 1)) : interval;
    return delay * (1 - 0.2 * random());
  }

  private begin(): void {
    this.cancel();
    this.isWanted = false;
    this.current = this.deps.renew().then(
      () => this.end(0),
      () => this.end(this.failures + 1),
    );
  }

  private end(failures: number): void {
    this.failures = failures;
    this.current = undefined;
    if (this.isWanted && failures === 0) this.runNow();
    else this.schedule(this.deps.shortestTtlMs());
  }
}

/**
 * The longest time between two successful renewals.
 * @param intervalMs if undefined or not shorter than the shortest lease: a third of that lease, at most 30 s
 */
export function renewalInterval(shortestTtlMs: number, intervalMs = Number.POSITIVE_INFINITY): number {
  return intervalMs < shortestTtlMs ? intervalMs : Math.min(shortestTtlMs / 3, LONGEST_INTERVAL_MS);
}
