/** Duck-typed: some signals come from polyfills or another realm. */
export function isSignal(value: unknown): value is AbortSignal {
  return typeof (value as Partial<AbortSignal> | null | undefined)?.addEventListener === 'function';
}

/**
 * Like `AbortSignal.throwIfAborted()`, which some polyfills lack.
 * @throws the signal's reason; without one, what an `AbortController` would use
 */
export function throwIfAborted(signal: AbortSignal | null | undefined): void {
  if (signal?.aborted) throw signal.reason ?? new DOMException('This operation was aborted', 'AbortError');
}

interface Waiters {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const waitersOf = new WeakMap<AbortSignal, Waiters>();

/**
 * Calls `fn` once when `signal` aborts; never if it has already aborted. All waiters of a signal share one listener: a
 * caller may share a signal among any number of calls, and Node warns of a leak at the eleventh listener.
 * @param fn must not throw; each registration needs a function of its own
 * @returns unsubscribes; idempotent, also after the abort
 */
export function onAbort(signal: AbortSignal, fn: () => void): () => void {
  if (signal.aborted) return () => undefined;
  const waiters = waitersOf.get(signal) ?? listenTo(signal);
  waiters.callbacks.add(fn);
  return () => {
    if (!waiters.callbacks.delete(fn) || waiters.callbacks.size > 0) return;
    signal.removeEventListener('abort', waiters.listener);
    waitersOf.delete(signal);
  };
}

function listenTo(signal: AbortSignal): Waiters {
  const callbacks = new Set<() => void>();
  const listener = (): void => {
    waitersOf.delete(signal);
    // A callback that another one removes during the iteration is skipped.
    for (const callback of callbacks) {
      callbacks.delete(callback);
      callback();
    }
  };
  const waiters = { callbacks, listener };
  waitersOf.set(signal, waiters);
  signal.addEventListener('abort', listener, { once: true });
  return waiters;
}

/**
 * The result, or the signal's reason once it aborts, whichever comes first. Leaves no listener behind, and a promise
 * that rejects after the abort causes no unhandled rejection.
 * @param result a promise or a plain value
 */
export function raceAbort<T>(result: Promise<T> | T, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    const stopWaiting = onAbort(signal, () => reject(signal.reason as Error));
    Promise.resolve(result).then(
      (value) => {
        stopWaiting();
        resolve(value);
      },
      (error: Error) => {
        stopWaiting();
        reject(error);
      },
    );
  });
}

/** A signal derived from others. */
export interface JoinedSignal {
  readonly signal: AbortSignal;
  /** Detaches it from its sources; idempotent. */
  release(): void;
}

/**
 * A signal that aborts with the first of several, and with its reason. Unlike `AbortSignal.any`, it can be detached
 * from long-lived sources.
 */
export function joinSignals(signals: readonly AbortSignal[]): JoinedSignal {
  const joined = new AbortController();
  const aborted = signals.find((signal) => signal.aborted);
  if (aborted) {
    joined.abort(aborted.reason);
    return { signal: joined.signal, release: () => undefined };
  }
  const stops = signals.map((signal) => onAbort(signal, () => joined.abort(signal.reason)));
  return { signal: joined.signal, release: () => stops.forEach((stop) => stop()) };
}
