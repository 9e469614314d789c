/** A power of two. A reader that missed more has to check every row once. */
const KEPT = 1_024;

/**
 * The rows that changed recently, in order. A reader that mirrors the rows continues where it stopped, when it needs to, so
 * there are no listeners to call for each change or to remove.
 */
export class ChangeLog {
  private readonly rows = new Uint32Array(KEPT);
  private count = 0;

  /** The number of changes so far. */
  get end(): number {
    return this.count;
  }

  add(row: number): void {
    this.rows[this.count++ & (KEPT - 1)] = row;
  }

  /** Whether all changes from this one on are still in the log. */
  reachesBackTo(from: number): boolean {
    return this.count - from <= KEPT;
  }

  /** The row of a change that is still in the log. */
  at(change: number): number {
    return this.rows[change & (KEPT - 1)] ?? 0;
  }
}
