import { type Random } from '../../common/index.js';

const LONGEST_INTERVAL_MS = 30_000;
const FIRST_RETRY_MS = 1_000;

export interface RenewalPace {
  readonly shortestTtlMs: number;
  /** The renewal interval. If undefined or not shorter than the shortest lease: a third of that lease, at most 30 s. */
  readonly intervalMs?: number;
}

/**
 * The delay until the next renewal, with up to 20 % of jitter subtracted, never added.
 * @param failures rounds that failed in a row. The first retry comes within 1 s; the delay then doubles up to the interval
 */
export function renewalDelay(pace: RenewalPace, failures: number, random: Random): number {
  const interval = longestRenewalDelay(pace);
  const delay = failures > 0 ? Math.min(interval, FIRST_RETRY_MS * 2 ** (failures - 1)) : interval;
  return delay * (1 - 0.2 * random());
}

/** The longest time between two successful renewals. */
export function longestRenewalDelay({ shortestTtlMs, intervalMs = Infinity }: RenewalPace): number {
  return intervalMs < shortestTtlMs ? intervalMs : Math.min(shortestTtlMs / 3, LONGEST_INTERVAL_MS);
}
