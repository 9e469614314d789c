import { onAbort, type Clock, type Timer } from '../common/index.js';

/** A limit of time for a {@link CancelScope}. */
export interface ScopeTimeout {
  /** Milliseconds from the creation of the scope. */
  readonly ms: number;
  /** Makes the reason of the abort; called only when time is over. */
  readonly error: () => Error;
}

/**
 * One signal out of a parent signal and a timeout. It does by hand what `AbortSignal.any` does, which leaks while its
 * parent lives and is slow. Dispose it when the work is over: then neither timer nor listener is left.
 */
export class CancelScope {
  readonly signal: AbortSignal;
  private readonly controller: AbortController | undefined;
  private readonly deadline: number;
  private timer: Timer | undefined;
  private stopFollowing: (() => void) | undefined;

  constructor(
    private readonly clock: Clock,
    parent?: AbortSignal,
    timeout?: ScopeTimeout,
  ) {
    this.deadline = timeout ? clock.now() + timeout.ms : Infinity;
    if (parent && !timeout) {
      // Nothing to add to the parent, so nothing to listen to.
      this.signal = parent;
      return;
    }
    this.controller = new AbortController();
    this.signal = this.controller.signal;
    if (parent?.aborted) {
      this.abort(parent.reason);
      return;
    }
    if (parent) this.stopFollowing = onAbort(parent, () => this.abort(parent.reason));
    if (timeout) this.timer = clock.setTimer(() => this.abort(timeout.error()), timeout.ms);
  }

  /** Milliseconds until the timeout, never below 0; Infinity without one. */
  remainingMs(): number {
    return Math.max(0, this.deadline - this.clock.now());
  }

  /**
   * Lifts the limit of time, and follows another signal in place of the parent from now on. For what outlives the work,
   * such as the stream of a response.
   */
  handOver(to: AbortSignal): void {
    this.dispose();
    if (to.aborted) this.abort(to.reason);
    else this.stopFollowing = onAbort(to, () => this.abort(to.reason));
  }

  /** Frees the timer and the listener; the signal will not abort any more. Safe to call again. */
  dispose(): void {
    this.timer?.cancel();
    this.stopFollowing?.();
  }

  private abort(reason: unknown): void {
    this.dispose();
    this.controller?.abort(reason);
  }
}
