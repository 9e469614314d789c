import { type Random } from '../common/index.js';

const LONGEST_INTERVAL_MS = 30_000;
const FIRST_RETRY_MS = 1_000;

export interface RenewalPace {
  readonly shortestTtlMs: number;
  /** How often leases are to be renewed; left out, or too long for a lease: a third of the shortest one, at most 30 s. */
  readonly intervalMs?: number;
  /** How many rounds in a row have failed: after the first the next one comes within 1 s, then at growing steps. */
  readonly failures: number;
}

/** The wait until leases are renewed next: up to a fifth sooner than asked for, never later. */
export function renewalDelay({ failures, ...pace }: RenewalPace, random: Random): number {
  const interval = longestRenewalDelay(pace);
  const delay = failures > 0 ? Math.min(interval, FIRST_RETRY_MS * 2 ** (failures - 1)) : interval;
  return delay * (1 - 0.2 * random());
}

/** How long renewals that go well are apart at most. */
export function longestRenewalDelay({ shortestTtlMs, intervalMs = Infinity }: Omit<RenewalPace, 'failures'>): number {
  return intervalMs < shortestTtlMs ? intervalMs : Math.min(shortestTtlMs / 3, LONGEST_INTERVAL_MS);
}
