/** Inclusive ranges of HTTP statuses. */
export type StatusRanges = readonly (readonly [from: number, to: number])[];

export type StatusVerdict = 'healthy' | 'unhealthy' | 'neither';

/**
 * Classifies a status.
 * @param unhealthy absent: all that are not healthy
 */
export function verdictOn(status: number, healthy: StatusRanges, unhealthy?: StatusRanges): StatusVerdict {
  if (isWithin(status, healthy)) return 'healthy';
  return unhealthy === undefined || isWithin(status, unhealthy) ? 'unhealthy' : 'neither';
}

function isWithin(status: number, ranges: StatusRanges): boolean {
  return ranges.some(([from, to]) => status >= from && status <= to);
}
