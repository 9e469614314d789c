import { SlicedCounts } from '../sliced-counts.js';

/** How the calls within a window ended. */
export interface CallCounts {
  readonly calls: number;
  readonly failed: number;
  /** Those that took too long, whether they failed or not. */
  readonly slow: number;
}

/**
 * Counts the outcomes of recent calls. There is no timer: the counts are as of the last `record` or `forget`.
 */
export interface CallWindow extends CallCounts {
  record(now: number, failed: boolean, slow: boolean): void;
  /** Leaves out what is too old by now. */
  forget(now: number): void;
  clear(): void;
}

/** Enough slices that expiring one hardly shows, few enough to be cheap. */
const WINDOW_SLICES = 20;

const KINDS = 3;
const [CALLS, FAILED, SLOW] = [0, 1, 2];

/** The calls of the last `lengthMs`, in constant memory; they expire one slice at a time. */
export class TimeWindow implements CallWindow {
  private readonly counted: SlicedCounts;

  constructor(lengthMs: number) {
    this.counted = new SlicedCounts(lengthMs, WINDOW_SLICES, KINDS);
  }

  get calls(): number {
    return this.counted.totals[CALLS]!;
  }

  get failed(): number {
    return this.counted.totals[FAILED]!;
  }

  get slow(): number {
    return this.counted.totals[SLOW]!;
  }

  record(now: number, failed: boolean, slow: boolean): void {
    this.counted.advance(now);
    this.counted.add(CALLS);
    if (failed) this.counted.add(FAILED);
    if (slow) this.counted.add(SLOW);
  }

  forget(now: number): void {
    this.counted.advance(now);
  }

  clear(): void {
    this.counted.clear();
  }
}

/** The last `size` calls, as far as they are younger than `maxAgeMs`. */
export class CountWindow implements CallWindow {
  calls = 0;
  failed = 0;
  slow = 0;
  private readonly endedAt: Float64Array;
  private readonly hasFailed: Uint8Array;
  private readonly wasSlow: Uint8Array;
  /** The place of the oldest call that counts; the others follow it around the ring. */
  private oldest = 0;

  constructor(
    private readonly size: number,
    private readonly maxAgeMs: number,
  ) {
    this.endedAt = new Float64Array(size);
    this.hasFailed = new Uint8Array(size);
    this.wasSlow = new Uint8Array(size);
  }

  record(now: number, failed: boolean, slow: boolean): void {
    if (this.calls === this.size) this.dropOldest();
    const place = (this.oldest + this.calls) % this.size;
    this.endedAt[place] = now;
    this.hasFailed[place] = Number(failed);
    this.wasSlow[place] = Number(slow);
    this.calls++;
    this.failed += Number(failed);
    this.slow += Number(slow);
  }

  forget(now: number): void {
    while (this.calls > 0 && this.endedAt[this.oldest]! <= now - this.maxAgeMs) this.dropOldest();
  }

  clear(): void {
    this.calls = 0;
    this.failed = 0;
    this.slow = 0;
  }

  private dropOldest(): void {
    this.calls--;
    this.failed -= this.hasFailed[this.oldest]!;
    this.slow -= this.wasSlow[this.oldest]!;
    this.oldest = (this.oldest + 1) % this.size;
  }
}
