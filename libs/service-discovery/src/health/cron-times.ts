/** Times by the wall clock, such as those of a cron expression: no two of them closer than a second. */
export interface CronTimes {
  /** The first one after a time, both in milliseconds since the Unix epoch. */
  next(after: number): number;
}

const LOOKED_AT = 5;

/** The shortest time between two of the first few, in milliseconds. It stands for the interval where one has to be named. */
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
