import { type Cancellation, type Clock, SignalCancellation } from '../../common/index.js';
import { type CallTimes } from '../options/index.js';

/** Ends a call with all its attempts and waits: at its deadline, or when its caller aborts. */
export interface CallScope extends Cancellation {
  /**
   * Milliseconds until its deadline, never below 0.
   * @param now `Clock.now()` @default read from the clock
   */
  remainingMs(now?: number): number;
  /**
   * Arms its timer if its deadline is no later than `dueAt` (by `Clock.now()`), when something else ends the same work.
   */
  armBefore?(dueAt: number): void;
  /** Releases its timer; absent if it has none. */
  dispose?(): void;
}

/**
 * The scope of a shared call, which lasts as long as its most patient caller. It needs no timer: each caller has one,
 * and the call ends when the last of them leaves.
 */
export class SharedScope extends SignalCancellation implements CallScope {
  private until: number;

  constructor(
    signal: AbortSignal,
    private readonly clock: Clock,
    remainingMs: number,
  ) {
    super(signal);
    this.until = clock.now() + remainingMs;
  }

  remainingMs(): number {
    return Math.max(0, this.until - this.clock.now());
  }

  extendTo(caller: CallScope): void {
    this.until = Math.max(this.until, this.clock.now() + caller.remainingMs());
  }
}

/**
 * What had this share of the time that its own settings allow counts, whatever deadline it was given. In a chain of services
 * with equal settings each one has a little less than its caller, and two attempts may share that: a callee that hangs
 * still opens circuits there.
 */
const FAIR_SHARE = 0.4;

/** From here on, of the time that there was, an error response may be the deadline's work: the callee works under it too. */
const LATE = 0.5;

interface TimedCall {
  readonly scope: CallScope;
  /** By `Clock.now()`. */
  readonly began: number;
  readonly times: CallTimes;
}

/** Tolerance for fractions of a millisecond. */
const ROUNDING_MS = 1;

/**
 * Whether a failure says nothing about the callee, since a deadline that the call was given cut its time short: it came late
 * in that time, and long before the caller's own settings would have given up. Otherwise a client that sends short
 * deadlines could open the circuits of everybody.
 * @param began of the attempt, or of the whole call, by `Clock.now()`
 * @param limitMs its time limit
 */
export function wasRushed(
  { scope, began: callBegan, times }: TimedCall,
  { began, limitMs, now }: { readonly began: number; readonly limitMs: number; readonly now: number },
): boolean {
  const elapsedMs = now - began;
  const untilDeadlineMs = elapsedMs + scope.remainingMs(now);
  const ownMs = Math.min(times.attemptTimeoutMs, callBegan + times.timeoutMs - began);
  if (untilDeadlineMs + ROUNDING_MS >= ownMs) return false;
  return elapsedMs < FAIR_SHARE * ownMs && elapsedMs >= LATE * Math.min(limitMs, untilDeadlineMs);
}
