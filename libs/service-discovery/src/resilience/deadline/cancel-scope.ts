import {
  type AbortListener,
  CancelSource,
  type Cancellation,
  type TimerWheel,
  type WheelTimer,
} from '../../common/index.js';

/** A time limit for a {@link CancelScope}. */
export interface TimeLimit {
  /** Milliseconds from the creation of the scope. */
  readonly ms: number;
  /** Creates the reason of the abort; called only when the time is over. */
  timeoutError(): Error;
  /** Called when the time is over: the milliseconds by which to extend it. @default none */
  extraMs?(): number;
}

/**
 * Joins a parent cancellation and a time limit. The limit has no timer before it is armed, since something else may be
 * due sooner that ends the same work. Dispose it when the work is over: then it neither waits in the wheel nor follows its
 * parent.
 */
export class CancelScope extends CancelSource implements WheelTimer, AbortListener {
  slot: WheelTimer['slot'] = undefined;
  place = 0;
  order = 0;
  dueAt: number;
  private following: Cancellation | undefined = undefined;
  /** Whether its time limit is in force. */
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

  /** The same as an `AbortSignal`. Reading it arms the time limit. */
  override get signal(): AbortSignal {
    this.arm();
    return super.signal;
  }

  /** Arms the limit if it is due no later than something else that ends the same work. */
  armBefore(dueAt: number): void {
    if (this.dueAt <= dueAt) this.arm();
  }

  /** Starts waiting for the limit. */
  arm(): void {
    if (this.isLimited && this.slot === undefined) this.timers.add(this);
  }

  /** Milliseconds until the limit, never below 0. */
  remainingMs(now = this.timers.clock.now()): number {
    return Math.max(0, this.dueAt - now);
  }

  /**
   * Drops the time limit, and follows another cancellation in place of the parent. For what outlives the work, such as the
   * stream of a response.
   */
  handOver(to: Cancellation): void {
    this.dispose();
    if (to.aborted) this.abort(to.reason);
    else this.followOnly(to);
  }

  /** Frees the timer and the listener; it no longer aborts. Safe to call again. */
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
