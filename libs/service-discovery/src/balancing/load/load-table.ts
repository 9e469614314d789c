/** The columns of a row. */
const ACTIVE = 0;
const LATENCY_MS = 1;
/** The time of the latency; NaN while there is neither a sample nor a mean to start with. */
const AS_OF = 2;
/** 1 once the latency was measured; before, it is the mean of the measured instances. */
const IS_MEASURED = 3;
const WIDTH = 4;

/**
 * The loads of instances, one row of numbers each. With thousands of instances a pick compares loads that are in no CPU
 * cache: a row is one cache miss, an object with number fields would be several.
 *
 * Latencies are peak EWMAs: a slower response counts at once and in full; faster ones, and time without responses, decay it
 * exponentially, so that an instance that was slow is tried again.
 */
export class LoadTable {
  readonly summary = new LatencySummary();
  private cells = new Float64Array(WIDTH);
  private rows = 0;
  private readonly free: number[] = [];
  private log: ChangeLog | undefined;

  /** @param decayMs time constant of the latency average */
  constructor(readonly decayMs: number) {}

  /** The changes of calls in flight; logged from the first time this is read. */
  get changes(): ChangeLog {
    return (this.log ??= new ChangeLog());
  }

  /** @returns the row of a new, unmeasured load */
  add(): number {
    const row = this.free.pop() ?? this.rows++;
    const from = row * WIDTH;
    if (from === this.cells.length) this.grow();
    this.cells.fill(0, from, from + WIDTH);
    this.cells[from + AS_OF] = Number.NaN;
    return row;
  }

  /** Frees a row for another load and removes it from the mean. */
  remove(row: number): void {
    if (this.cellOf(row, IS_MEASURED) === 1) this.summary.remove(this.cellOf(row, LATENCY_MS));
    this.free.push(row);
  }

  /** Moves a row to a table of its own. */
  detach(row: number): LoadTable {
    const own = new LoadTable(this.decayMs);
    own.cells.set(this.cells.subarray(row * WIDTH, row * WIDTH + WIDTH));
    own.rows = 1;
    this.remove(row);
    return own;
  }

  /** Calls in flight. */
  active(row: number): number {
    return this.cellOf(row, ACTIVE);
  }

  begin(row: number): void {
    this.cells[row * WIDTH + ACTIVE] = this.cellOf(row, ACTIVE) + 1;
    this.log?.add(row);
  }

  end(row: number): void {
    const active = this.cellOf(row, ACTIVE);
    if (active === 0) return;
    this.cells[row * WIDTH + ACTIVE] = active - 1;
    this.log?.add(row);
  }

  /**
   * The expected latency in milliseconds; 0 while no load has been measured. Starts a new row: its latency becomes the mean of
   * the measured ones as of now, and decays from then on.
   */
  ewmaMs(row: number, now: number): number {
    const asOf = this.cellOf(row, AS_OF);
    if (!Number.isNaN(asOf)) return this.cellOf(row, LATENCY_MS) * this.kept(asOf, now);
    if (this.summary.isEmpty) return 0;
    this.cells[row * WIDTH + AS_OF] = now;
    return (this.cells[row * WIDTH + LATENCY_MS] = this.summary.meanMs);
  }

  /** Like `ewmaMs`, but does not start a new row. */
  peekMs(row: number, now: number): number {
    if (!Number.isNaN(this.cellOf(row, AS_OF))) return this.ewmaMs(row, now);
    return this.summary.isEmpty ? 0 : this.summary.meanMs;
  }

  observe(row: number, sampleMs: number, now: number): void {
    const { cells, summary } = this;
    const before = this.cellOf(row, LATENCY_MS);
    let after = sampleMs;
    if (this.cellOf(row, IS_MEASURED) === 0) {
      cells[row * WIDTH + IS_MEASURED] = 1;
      summary.add(sampleMs);
    } else {
      const kept = sampleMs >= before ? 0 : this.kept(this.cellOf(row, AS_OF), now);
      after = before * kept + sampleMs * (1 - kept);
      summary.replace(before, after);
    }
    cells[row * WIDTH + LATENCY_MS] = after;
    cells[row * WIDTH + AS_OF] = now;
  }

  /** Lowers the expected latency to the service's usual one. */
  forgive(row: number, now: number): void {
    const usualMs = this.summary.usualMs;
    if (this.cellOf(row, IS_MEASURED) === 0 || this.ewmaMs(row, now) <= usualMs) return;
    this.summary.replace(this.cellOf(row, LATENCY_MS), usualMs);
    this.cells[row * WIDTH + LATENCY_MS] = usualMs;
    this.cells[row * WIDTH + AS_OF] = now;
  }

  /** The fraction that is left of a latency: all of it if `now` was read before the sample. */
  private kept(asOf: number, now: number): number {
    return Math.exp(Math.min(0, asOf - now) / this.decayMs);
  }

  private cellOf(row: number, cell: number): number {
    return this.cells[row * WIDTH + cell] ?? 0;
  }

  private grow(): void {
    const { cells } = this;
    this.cells = new Float64Array(2 * cells.length);
    this.cells.set(cells);
  }
}

/** A power of two. A reader that missed more has to check every row once. */
const KEPT = 1_024;

/**
 * The rows that changed recently, in order. A reader that mirrors the rows continues where it stopped, when it needs to, so
 * there are no listeners to call for each change or to remove.
 */
class ChangeLog {
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

/** A failed attempt counts as at least this slow, in milliseconds, however fast it failed. */
const FAILURE_LATENCY_MS = 1_000;
/** ... and as at least this many times the service's usual latency. */
const FAILURE_FACTOR = 2;
/**
 * ... and as at least this many times the time waited, like an attempt that was given up: the response would have taken longer
 * than that, by an unknown factor. With a factor of 1, a timeout of a second would look good next to calls that queue on
 * other instances, and an instance that never responds would keep getting a few calls.
 */
const UNANSWERED_FACTOR = 3;
/** Weight of the newest response in the service's usual latency. */
const USUAL_WEIGHT = 0.05;

/** The mean and the usual latency over a service's instances, updated with every sample. */
class LatencySummary {
  /** A moving average of the latency of responses; failures do not count. */
  private movingMs = 0;
  private sum = 0;
  private count = 0;

  /** Whether no instance has been measured. */
  get isEmpty(): boolean {
    return this.count === 0;
  }

  /** The mean over the measured instances. */
  get meanMs(): number {
    return this.sum / this.count;
  }

  /** The usual latency of recent responses; 0 before the first one. */
  get usualMs(): number {
    return this.movingMs;
  }

  add(latencyMs: number): void {
    this.sum += latencyMs;
    this.count++;
  }

  replace(before: number, after: number): void {
    this.sum += after - before;
  }

  remove(latencyMs: number): void {
    this.count--;
    // Resetting to 0 keeps rounding errors from accumulating.
    this.sum = this.count === 0 ? 0 : this.sum - latencyMs;
  }

  answered(latencyMs: number): void {
    this.movingMs += (this.movingMs === 0 ? 1 : USUAL_WEIGHT) * (latencyMs - this.movingMs);
  }

  /** The latency that a failure counts as. */
  failureMs(latencyMs: number): number {
    return Math.max(UNANSWERED_FACTOR * latencyMs, FAILURE_LATENCY_MS, FAILURE_FACTOR * this.movingMs);
  }

  /** The latency that an attempt counts as when the caller gave it up. */
  givenUpMs(latencyMs: number): number {
    return UNANSWERED_FACTOR * latencyMs;
  }
}
