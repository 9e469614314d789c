import { REPORT_LIMITS } from '../model/index.js';

/** Four buckets for each doubling, so that a percentile is within 9 % of the truth. */
const BUCKETS_PER_DOUBLING = 4;
const SMALLEST_MS = 0.1;
/** From 0.1 ms to 2 min. */
export const LATENCY_BUCKETS = REPORT_LIMITS.buckets;

/** The bucket of a latency in milliseconds, 0 to `LATENCY_BUCKETS` - 1. */
export function latencyBucket(ms: number): number {
  if (!(ms > SMALLEST_MS)) return 0;
  return Math.min(LATENCY_BUCKETS - 1, Math.ceil(BUCKETS_PER_DOUBLING * Math.log2(ms / SMALLEST_MS)));
}

/**
 * The latency that a share of all is not above, in milliseconds: the middle of its bucket. Histograms are merged by adding
 * their buckets up.
 * @param share 0 to 1
 * @returns null for an empty histogram
 */
export function percentileOf(buckets: Uint32Array, share: number): number | null {
  let total = 0;
  for (const count of buckets) total += count;
  if (total === 0) return null;
  let left = Math.max(1, Math.ceil(total * share));
  let bucket = 0;
  while ((left -= buckets[bucket]!) > 0) bucket++;
  return Number(middleOf(bucket).toPrecision(3));
}

/** Adds the counts of one histogram to those of another. */
export function mergeInto(into: Uint32Array, latencies: Uint32Array): void {
  for (let bucket = 0; bucket < LATENCY_BUCKETS; bucket++) into[bucket]! += latencies[bucket]!;
}

/** A histogram as it is reported: the indexes of buckets that are not empty, each followed by its count. */
export function toReportedLatencies(buckets: Uint32Array): number[] {
  return [...buckets].flatMap((count, bucket) => (count > 0 ? [bucket, count] : []));
}

/** Adds a reported histogram to another. */
export function addReportedLatencies(into: Uint32Array, reported: readonly number[]): void {
  for (let index = 0; index < reported.length; index += 2) into[reported[index]!]! += reported[index + 1]!;
}

/** The sum of all latencies in milliseconds, each taken as the middle of its bucket. */
export function totalMsOf(buckets: Uint32Array): number {
  return buckets.reduce((sum, count, bucket) => sum + count * middleOf(bucket), 0);
}

function middleOf(bucket: number): number {
  return SMALLEST_MS * 2 ** ((bucket - 0.5) / BUCKETS_PER_DOUBLING);
}
