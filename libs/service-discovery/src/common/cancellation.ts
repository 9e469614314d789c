import { onAbort } from './abort.js';

/** Hears of an abort. */
export interface AbortListener {
  /** Called once, and must not throw. */
  onAborted(reason: unknown): void;
}

/**
 * What ends work early: an `AbortSignal` without its price. A signal and a listener cost more than all else that a call
 * needs, so one is made only for whoever asks for it.
 */
export interface Cancellation {
  readonly aborted: boolean;
  /** Why; undefined while it has not aborted. */
  readonly reason: unknown;
  /** The same as a signal, made at the first look. */
  readonly signal: AbortSignal;
  /** Tells `listener` of the abort; never where it has aborted already. */
  follow(listener: AbortListener): void;
  /** Tells it no more; safe to call again, and after the abort. */
  unfollow(listener: AbortListener): void;
}

/** A cancellation, and who brings it about. */
export class CancelSource implements Cancellation {
  private isAborted = false;
  private abortReason: unknown = undefined;
  /** Most have one listener, for which a set is too much. */
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
   * The first time counts.
   * @param reason @default that of an `AbortController`
   */
  abort(reason: unknown = new DOMException('This operation was aborted', 'AbortError')): void {
    if (this.isAborted) return;
    this.isAborted = true;
    this.abortReason = reason;
    const { first } = this;
    this.first = undefined;
    first?.onAborted(reason);
    // One that another one takes out meanwhile is not reached.
    for (const listener of this.others ?? []) {
      this.others?.delete(listener);
      listener.onAborted(reason);
    }
    this.controller?.abort(reason);
  }
}

/** A caller's signal, for whoever goes by a cancellation. */
export class SignalCancellation implements Cancellation {
  /** By listener, what ends its waiting. */
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

/** Either of the two that end work early, as a cancellation. */
export function asCancellation(either: Cancellation | AbortSignal): Cancellation {
  return 'follow' in either ? either : new SignalCancellation(either);
}
