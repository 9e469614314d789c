import { type Cancellation, type Clock, SignalCancellation } from '../../common/index.js';

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
