import { ConsecutiveFailures } from '../consecutive-failures.js';
import { SlicedCounts } from '../sliced-counts.js';
import { type ResolvedCircuitBreakerOptions } from './circuit-breaker-options.js';

/** Which condition a closed circuit has met. */
type OpeningReason = 'consecutive_failures' | 'failure_rate' | 'slow_call_rate';

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
interface CallWindow extends CallCounts {
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
class TimeWindow implements CallWindow {
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
class CountWindow implements CallWindow {
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

/** Decides when a closed circuit opens: failures in a row, the share of failures, the share of slow calls. */
export class OpeningRule {
  /** Undefined when consecutive failures do not open the circuit. */
  private readonly run: ConsecutiveFailures | undefined;
  /** Undefined when no rate opens the circuit. */
  private readonly window: CallWindow | undefined;
  private readonly slowAfterMs: number;

  constructor(private readonly options: ResolvedCircuitBreakerOptions) {
    const { failureThreshold, failureRate, slowCallRate, slowCallDuration, window } = options;
    this.slowAfterMs = slowCallRate === false || slowCallDuration === false ? Infinity : slowCallDuration;
    if (failureThreshold !== false) {
      this.run = new ConsecutiveFailures(failureThreshold, typeof window === 'number' ? window : window.maxAge);
    }
    if (failureRate !== false || slowCallRate !== false) {
      this.window = typeof window === 'number' ? new TimeWindow(window) : new CountWindow(window.calls, window.maxAge);
    }
  }

  /** Whether the duration of calls matters. */
  get timesCalls(): boolean {
    return this.slowAfterMs < Infinity;
  }

  /** Whether successes count for more than ending a run of consecutive failures. */
  get countsCalls(): boolean {
    return this.window !== undefined;
  }

  /** Whether a call took too long; false where that does not matter. */
  isSlow(durationMs: number): boolean {
    return durationMs >= this.slowAfterMs;
  }

  /** The condition that is met after this call, if any. */
  record(now: number, failed: boolean, slow: boolean): OpeningReason | undefined {
    if (failed) this.run?.recordFailure(now);
    else this.run?.clear();
    this.window?.record(now, failed, slow);
    return this.met(now);
  }

  /** The condition that is met, if any. */
  met(now: number): OpeningReason | undefined {
    return this.run?.isFull(now) ? 'consecutive_failures' : this.rateThatIsMet(now);
  }

  /** The consecutive failures that count now; without a threshold for them, the failures within the window. */
  failures(now: number): number {
    return this.run?.count(now) ?? this.counts(now)?.failed ?? 0;
  }

  /** The counts as of now, valid until the next call of any method; undefined when no rate opens the circuit. */
  counts(now: number): CallCounts | undefined {
    this.window?.forget(now);
    return this.window;
  }

  clear(): void {
    this.run?.clear();
    this.window?.clear();
  }

  private rateThatIsMet(now: number): OpeningReason | undefined {
    const counts = this.counts(now);
    const { minimumCalls, failureRate, slowCallRate } = this.options;
    if (!counts || counts.calls < minimumCalls) return undefined;
    if (failureRate !== false && counts.failed / counts.calls >= failureRate) return 'failure_rate';
    return slowCallRate !== false && counts.slow / counts.calls >= slowCallRate ? 'slow_call_rate' : undefined;
  }
}
