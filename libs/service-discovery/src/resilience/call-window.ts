/** How the calls within a window ended. */
export interface CallCounts {
  readonly calls: number;
  readonly failed: number;
  /** Those that took too long, whether they failed or not. */
  readonly slow: number;
}

/** Remembers how calls ended, for as long as they count. Nothing ages by a timer: what is stale goes when somebody looks. */
export interface CallWindow {
  record(now: number, failed: boolean, slow: boolean): void;
  /** Those that count now, until the next call of any method. */
  counts(now: number): CallCounts;
  clear(): void;
}

/** A window is counted in this many slices: enough that forgetting one hardly shows, few enough to be cheap. */
const WINDOW_SLICES = 20;

/** The calls of the last so many milliseconds, in constant memory; they are forgotten a slice at a time. */
export class TimeWindow implements CallWindow {
  private readonly slices = Array.from({ length: WINDOW_SLICES }, () => ({ calls: 0, failed: 0, slow: 0 }));
  private readonly total = { calls: 0, failed: 0, slow: 0 };
  /** The number of the current slice, counted from the clock's origin. */
  private slice = Number.NEGATIVE_INFINITY;

  constructor(private readonly lengthMs: number) {}

  record(now: number, failed: boolean, slow: boolean): void {
    this.forget(now);
    count(this.sliceAt(this.slice), failed, slow);
    count(this.total, failed, slow);
  }

  counts(now: number): CallCounts {
    this.forget(now);
    return this.total;
  }

  clear(): void {
    for (const counts of [...this.slices, this.total]) zero(counts);
  }

  private forget(now: number): void {
    const current = Math.floor((now * WINDOW_SLICES) / this.lengthMs);
    const passed = Math.min(WINDOW_SLICES, current - this.slice);
    for (let step = 0; step < passed; step++) {
      const stale = this.sliceAt(current - step);
      this.total.calls -= stale.calls;
      this.total.failed -= stale.failed;
      this.total.slow -= stale.slow;
      zero(stale);
    }
    this.slice = current;
  }

  private sliceAt(slice: number): Counts {
    return this.slices[((slice % WINDOW_SLICES) + WINDOW_SLICES) % WINDOW_SLICES]!;
  }
}

/** The last so many calls, and of these only what is younger than the greatest age. */
export class CountWindow implements CallWindow {
  private readonly endedAt: Float64Array;
  private readonly failed: Uint8Array;
  private readonly slow: Uint8Array;
  private readonly total = { calls: 0, failed: 0, slow: 0 };
  /** The place of the oldest call that counts; the others follow it around the ring. */
  private oldest = 0;

  constructor(
    private readonly size: number,
    private readonly maxAgeMs: number,
  ) {
    this.endedAt = new Float64Array(size);
    this.failed = new Uint8Array(size);
    this.slow = new Uint8Array(size);
  }

  record(now: number, failed: boolean, slow: boolean): void {
    if (this.total.calls === this.size) this.dropOldest();
    const place = (this.oldest + this.total.calls) % this.size;
    this.endedAt[place] = now;
    this.failed[place] = Number(failed);
    this.slow[place] = Number(slow);
    count(this.total, failed, slow);
  }

  counts(now: number): CallCounts {
    while (this.total.calls > 0 && this.endedAt[this.oldest]! <= now - this.maxAgeMs) this.dropOldest();
    return this.total;
  }

  clear(): void {
    zero(this.total);
  }

  private dropOldest(): void {
    this.total.calls--;
    this.total.failed -= this.failed[this.oldest]!;
    this.total.slow -= this.slow[this.oldest]!;
    this.oldest = (this.oldest + 1) % this.size;
  }
}

type Counts = { -readonly [Name in keyof CallCounts]: number };

function count(counts: Counts, failed: boolean, slow: boolean): void {
  counts.calls++;
  if (failed) counts.failed++;
  if (slow) counts.slow++;
}

function zero(counts: Counts): void {
  counts.calls = 0;
  counts.failed = 0;
  counts.slow = 0;
}
