/** Ranges of HTTP statuses, both ends included. */
export type StatusRanges = readonly (readonly [from: number, to: number])[];

export type StatusVerdict = 'healthy' | 'unhealthy' | 'neither';

/**
 * What a status says of an instance.
 * @param unhealthy left out: all that are not healthy
 */
export function verdictOn(status: number, healthy: StatusRanges, unhealthy?: StatusRanges): StatusVerdict {
  if (isWithin(status, healthy)) return 'healthy';
  return unhealthy === undefined || isWithin(status, unhealthy) ? 'unhealthy' : 'neither';
}

function isWithin(status: number, ranges: StatusRanges): boolean {
  return ranges.some(([from, to]) => status >= from && status <= to);
}
