import {
  type AbortListener,
  CancelSource,
  type Cancellation,
  type TimerWheel,
  type WheelTimer,
} from '../../common/index.js';

/** A limit of time for a {@link CancelScope}. */
export interface TimeLimit {
  /** Milliseconds from the creation of the scope. */
  readonly ms: number;
  /** Makes the reason of the abort; called only when time is over. */
  timeoutError(): Error;
  /** Asked when the time is over: how many milliseconds there are beyond it after all. @default none */
  extraMs?(): number;
}

/**
 * One cancellation out of another one, its parent, and a limit of time, which is waited for once somebody arms it: while
 * something sooner ends the same work, there is no need. Dispose it when the work is over: then it neither
 * waits in the wheel nor follows its parent.
 */
export class CancelScope extends CancelSource implements WheelTimer, AbortListener {
  slot: WheelTimer['slot'] = undefined;
  place = 0;
  order = 0;
  dueAt: number;
  private following: Cancellation | undefined = undefined;
  /** Whether its limit of time is in force. */
  private isLimited = true;

  /** @param now `Clock.now()` @default it is asked */
  constructor(
    private readonly timers: TimerWheel,
    parent: Cancellation | undefined,
    private readonly limit: TimeLimit,
    now = timers.clock.now(),
  ) {
    super();
    this.dueAt = now + limit.ms;
    if (parent?.aborted) {
      this.abort(parent.reason);
      return;
    }
    this.followOnly(parent);
  }

  /** The same as a signal; whoever asks for it waits with it, also for the limit. */
  override get signal(): AbortSignal {
    this.arm();
    return super.signal;
  }

  /** Waits for the limit from now on, where it comes no later than something else that ends the same work. */
  armBefore(dueAt: number): void {
    if (this.dueAt <= dueAt) this.arm();
  }

  /** Waits for the limit from now on. */
  arm(): void {
    if (this.isLimited && this.slot === undefined) this.timers.add(this);
  }

  /** Milliseconds until the limit, never below 0. */
  remainingMs(now = this.timers.clock.now()): number {
    return Math.max(0, this.dueAt - now);
  }

  /**
   * Lifts the limit of time, and follows another cancellation in place of the parent from now on. For what outlives the
   * work, such as the stream of a response.
   */
  handOver(to: Cancellation): void {
    this.dispose();
    if (to.aborted) this.abort(to.reason);
    else this.followOnly(to);
  }

  /** Frees the timer and the listener; it will not abort any more. Safe to call again. */
  dispose(): void {
    this.isLimited = false;
    this.timers.remove(this);
    this.following?.unfollow(this);
    this.following = undefined;
  }

  override abort(reason: unknown): void {
    this.dispose();
    super.abort(reason);
  }

  onAborted(reason: unknown): void {
    this.abort(reason);
  }

  timeIsOver(): void {
    const extraMs = this.limit.extraMs?.() ?? 0;
    if (extraMs <= 0) return this.abort(this.limit.timeoutError());
    this.dueAt += extraMs;
    this.arm();
  }

  private followOnly(other: Cancellation | undefined): void {
    this.following = other;
    other?.follow(this);
  }
}
