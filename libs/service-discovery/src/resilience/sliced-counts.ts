/**
 * Counts of several kinds within a sliding window, in constant memory. The window is cut into slices, which expire one at
 * a time in `advance`: there is no timer, and reading needs no sum.
 */
export class SlicedCounts {
  /** The counts within the window, one for each kind. */
  readonly totals: Float64Array;
  /** The counts of each slice, a row per slice. */
  private readonly rows: Float64Array;
  /** The number of the current slice, counted from the clock's origin. */
  private slice = Number.NEGATIVE_INFINITY;
  private sliceEndsAt = Number.NEGATIVE_INFINITY;
  private row = 0;

  constructor(
    private readonly windowMs: number,
    private readonly slices: number,
    private readonly kinds: number,
  ) {
    this.totals = new Float64Array(kinds);
    this.rows = new Float64Array(slices * kinds);
  }

  /** Counts one of a kind at the time of the last `advance`. */
  add(kind: number): void {
    this.rows[this.row + kind]!++;
    this.totals[kind]!++;
  }

  /** Expires old slices. A time before that of the latest call is treated as equal to it. */
  advance(now: number): void {
    if (now < this.sliceEndsAt) return;
    const current = Math.floor((now * this.slices) / this.windowMs);
    const passed = Math.min(this.slices, current - this.slice);
    for (let step = 0; step < passed; step++) this.forget(this.rowOf(current - step));
    this.slice = current;
    this.row = this.rowOf(current);
    this.sliceEndsAt = ((current + 1) * this.windowMs) / this.slices;
  }

  clear(): void {
    this.totals.fill(0);
    this.rows.fill(0);
  }

  private forget(row: number): void {
    for (let kind = 0; kind < this.kinds; kind++) {
      this.totals[kind]! -= this.rows[row + kind]!;
      this.rows[row + kind] = 0;
    }
  }

  private rowOf(slice: number): number {
    const { slices } = this;
    return (((slice % slices) + slices) % slices) * this.kinds;
  }
}
