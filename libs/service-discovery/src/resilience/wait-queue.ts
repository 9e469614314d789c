import { onAbort, type Clock, type Timer } from '../common/index.js';

/** How long callers wait at most. */
export interface WaitLimit {
  readonly clock: Clock;
  readonly maxWaitMs: number;
  /** Creates the error for a caller whose wait is over. */
  readonly error: () => Error;
}

interface Waiter<T> {
  readonly leaveAt: number;
  readonly serve: (turn: T) => void;
  readonly refuse: (error: Error) => void;
  before: Waiter<T> | undefined;
  after: Waiter<T> | undefined;
}

/**
 * A FIFO queue of waiting callers. Entering, being served and leaving from any position are O(1), which a `Set` does not
 * guarantee: its iteration walks over deleted entries.
 */
export class WaitQueue<T> {
  private first: Waiter<T> | undefined;
  private last: Waiter<T> | undefined;
  private count = 0;
  private timer: Timer | undefined;

  /**
   * @param onLeave called when a caller leaves without being served
   * @param limit left out: callers wait until they are served or abort
   */
  constructor(
    private readonly onLeave: () => void = () => undefined,
    private readonly limit?: WaitLimit,
  ) {}

  /** How many wait. */
  get size(): number {
    return this.count;
  }

  /**
   * Waits at the end of the queue.
   * @param signal one that has not aborted yet
   * @throws the signal's reason when it aborts; the limit's error when its time is over
   */
  wait(signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const { limit } = this;
      const waiter: Waiter<T> = {
        leaveAt: limit ? limit.clock.now() + limit.maxWaitMs : Infinity,
        serve: (turn) => {
          stopListening?.();
          resolve(turn);
        },
        refuse: (error) => {
          stopListening?.();
          reject(error);
        },
        before: this.last,
        after: undefined,
      };
      const stopListening = signal && onAbort(signal, () => this.leave(waiter, signal.reason as Error));
      if (this.last) this.last.after = waiter;
      else this.first = waiter;
      this.last = waiter;
      this.count++;
      this.arm();
    });
  }

  /** Serves the first waiter; false when the queue is empty. */
  serve(turn: T): boolean {
    const { first } = this;
    if (!first) return false;
    this.unlink(first);
    first.serve(turn);
    return true;
  }

  private leave(waiter: Waiter<T>, error: Error): void {
    this.unlink(waiter);
    waiter.refuse(error);
    this.onLeave();
  }

  private unlink({ before, after }: Waiter<T>): void {
    if (before) before.after = after;
    else this.first = after;
    if (after) after.before = before;
    else this.last = before;
    this.count--;
    if (this.count > 0) return;
    this.timer?.cancel();
    this.timer = undefined;
  }

  /** One timer is enough: all have the same limit, so the first in the queue is the first to leave. */
  private arm(): void {
    const { first, limit } = this;
    if (!limit || !first || this.timer) return;
    this.timer = limit.clock.setTimer(() => this.sendAway(limit), first.leaveAt - limit.clock.now());
  }

  private sendAway({ clock, error }: WaitLimit): void {
    this.timer = undefined;
    const now = clock.now();
    while (this.first && this.first.leaveAt <= now) this.leave(this.first, error());
    this.arm();
  }
}
