import { type CallCounts, CountWindow, TimeWindow, type CallWindow } from './call-window.js';
import { type ResolvedCircuitBreakerOptions } from './circuit-breaker-options.js';
import { ConsecutiveFailures } from '../consecutive-failures.js';

/** Which condition a closed circuit has met. */
export type OpeningReason = 'consecutive_failures' | 'failure_rate' | 'slow_call_rate';

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
