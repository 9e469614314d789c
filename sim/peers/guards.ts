import { type Clock } from 'nest-service-discovery/core';
import { type Gate, type RetryAllowance } from './peer-client.js';

interface RollingErrorRateOptions {
  /** Share of failures in the window at which the circuit opens. */
  readonly share: number;
  readonly windowMs: number;
  readonly openMs: number;
}

const BUCKETS = 10;

/** A circuit with a rolling window and no minimum volume; a single call probes it after its open time. */
export function rollingErrorRate(clock: Clock, { share, windowMs, openMs }: RollingErrorRateOptions): Gate {
  const buckets = new Map<number, { good: number; bad: number }>();
  let openUntil = Number.NEGATIVE_INFINITY;
  let state: 'closed' | 'open' | 'half_open' = 'closed';
  const open = (): void => {
    state = 'open';
    openUntil = clock.now() + openMs;
    buckets.clear();
  };
  return {
    enter: () => {
      if (state === 'closed') return true;
      if (state === 'half_open' || clock.now() < openUntil) return false;
      state = 'half_open';
      return true;
    },
    leave: (isGood) => {
      if (state === 'half_open') {
        if (isGood) state = 'closed';
        else open();
        return;
      }
      const now = Math.floor((clock.now() * BUCKETS) / windowMs);
      for (const bucket of buckets.keys()) if (bucket <= now - BUCKETS) buckets.delete(bucket);
      const bucket = buckets.get(now) ?? { good: 0, bad: 0 };
      buckets.set(now, bucket);
      if (isGood) bucket.good++;
      else bucket.bad++;
      const counts = [...buckets.values()];
      const bad = counts.reduce((sum, one) => sum + one.bad, 0);
      const all = counts.reduce((sum, one) => sum + one.good, bad);
      if (state === 'closed' && !isGood && bad / all > share) open();
    },
  };
}

/** Limits concurrent retries. */
export function concurrentRetries(limit: number): RetryAllowance {
  let active = 0;
  return {
    call: () => undefined,
    take: () => active < limit && ++active > 0,
    ended: () => void active--,
  };
}

/** Failures take tokens and successes return a part; no retries at half of the tokens or less. */
export function retryTokens(most: number, gain: number): RetryAllowance {
  let tokens = most;
  return {
    call: () => undefined,
    take: () => tokens > most / 2,
    attempted: (isGood) => {
      tokens = isGood ? Math.min(most, tokens + gain) : Math.max(0, tokens - 1);
    },
  };
}
