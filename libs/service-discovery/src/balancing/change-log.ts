/** A power of two. Whoever missed more has to look at everything once, and has saved as many steps before. */
const KEPT = 1_024;

/**
 * The rows that changed of late, in order. Whoever keeps something in step with them reads on from where it was, when it
 * needs to: nobody has to be told of each change, nor to be let go of.
 */
export class ChangeLog {
  private readonly rows = new Uint32Array(KEPT);
  private count = 0;

  /** How many changes there were so far. */
  get end(): number {
    return this.count;
  }

  add(row: number): void {
    this.rows[this.count++ & (KEPT - 1)] = row;
  }

  /** Whether the changes from a point on are all there still. */
  reachesBackTo(from: number): boolean {
    return this.count - from <= KEPT;
  }

  /** Whom a change was about that is there still. */
  at(change: number): number {
    return this.rows[change & (KEPT - 1)] ?? 0;
  }
}
