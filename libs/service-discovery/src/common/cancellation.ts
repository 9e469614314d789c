import { onAbort } from './abort.js';

/** Is notified of an abort. */
export interface AbortListener {
  /** Called once; must not throw. */
  onAborted(reason: unknown): void;
}

/**
 * Cancels work like an `AbortSignal`, more cheaply. A signal and its listener cost more than everything else in a call,
 * so a signal is created only on demand.
 */
export interface Cancellation {
  readonly aborted: boolean;
  /** The abort reason; undefined before the abort. */
  readonly reason: unknown;
  /** The same as an `AbortSignal`, created on first access. */
  readonly signal: AbortSignal;
  /** Subscribes `listener` to the abort; it is never called if that has already happened. */
  follow(listener: AbortListener): void;
  /** Unsubscribes it; idempotent, also after the abort. */
  unfollow(listener: AbortListener): void;
}

/** A cancellation together with the means to trigger it. */
export class CancelSource implements Cancellation {
  private isAborted = false;
  private abortReason: unknown = undefined;
  /** The usual single listener, without the cost of a set. */
  private first: AbortListener | undefined = undefined;
  private others: Set<AbortListener> | undefined = undefined;
  private controller: AbortController | undefined = undefined;

  get aborted(): boolean {
    return this.isAborted;
  }

  get reason(): unknown {
    return this.abortReason;
  }

  get signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController();
      if (this.isAborted) this.controller.abort(this.abortReason);
    }
    return this.controller.signal;
  }

  follow(listener: AbortListener): void {
    if (this.isAborted) return;
    if (this.first === undefined) this.first = listener;
    else (this.others ??= new Set()).add(listener);
  }

  unfollow(listener: AbortListener): void {
    if (this.first === listener) this.first = undefined;
    else this.others?.delete(listener);
  }

  /**
   * Only the first call has an effect.
   * @param reason @default that of an `AbortController`
   */
  abort(reason: unknown = new DOMException('This operation was aborted', 'AbortError')): void {
    if (this.isAborted) return;
    this.isAborted = true;
    this.abortReason = reason;
    const { first } = this;
    this.first = undefined;
    first?.onAborted(reason);
    // A listener that another one removes during the iteration is skipped.
    for (const listener of this.others ?? []) {
      this.others?.delete(listener);
      listener.onAborted(reason);
    }
    this.controller?.abort(reason);
  }
}

/** Adapts a caller's signal to a cancellation. */
export class SignalCancellation implements Cancellation {
  /** Unsubscribe functions by listener. */
  private readonly stops = new Map<AbortListener, () => void>();

  constructor(readonly signal: AbortSignal) {}

  get aborted(): boolean {
    return this.signal.aborted;
  }

  get reason(): unknown {
    return this.signal.reason as unknown;
  }

  follow(listener: AbortListener): void {
    this.stops.set(
      listener,
      onAbort(this.signal, () => {
        this.stops.delete(listener);
        listener.onAborted(this.signal.reason);
      }),
    );
  }

  unfollow(listener: AbortListener): void {
    this.stops.get(listener)?.();
    this.stops.delete(listener);
  }
}

/** Wraps a signal; returns a cancellation unchanged. */
export function asCancellation(either: Cancellation | AbortSignal): Cancellation {
  return 'follow' in either ? either : new SignalCancellation(either);
}
