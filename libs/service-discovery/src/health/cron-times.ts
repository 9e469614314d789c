/** Wall-clock times, for example of a cron expression, at least a second apart. */
export interface CronTimes {
  /** The first time after `after`, both in milliseconds since the Unix epoch. */
  next(after: number): number;
}

const LOOKED_AT = 5;

/** The shortest gap between two of the next few times, in milliseconds. Used wherever a single interval is needed. */
export function shortestGap(times: CronTimes): number {
  let shortest = Number.POSITIVE_INFINITY;
  let time = times.next(0);
  for (let count = 0; count < LOOKED_AT; count++) {
    const next = times.next(time);
    shortest = Math.min(shortest, next - time);
    time = next;
  }
  return shortest;
}
