import { type Cancellation, type Clock, SignalCancellation } from '../../common/index.js';

/** Ends a call with all its attempts and waits: at its deadline, or when its caller aborts. */
export interface CallScope extends Cancellation {
  /**
   * Milliseconds until its deadline, never below 0.
   * @param now `Clock.now()` @default it is asked
   */
  remainingMs(now?: number): number;
  /** Arms its timer where its deadline is no later than that of something else that ends the same work, by `Clock.now()`. */
  armBefore?(dueAt: number): void;
  /** Releases its timer; left out where it has none. */
  dispose?(): void;
}

/**
 * The time of a shared call: that of its most patient caller. It has no timer, since each caller has one, and when the
 * last of them leaves the call ends.
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
