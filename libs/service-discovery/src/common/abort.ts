/** By its looks: some are none of the platform's, or of another realm's. */
export function isSignal(value: unknown): value is AbortSignal {
  return typeof (value as Partial<AbortSignal> | null | undefined)?.addEventListener === 'function';
}

/**
 * What the signal's own method of this name does, which some lack that are none of the platform's.
 * @throws the signal's reason; where it has none, what an `AbortController` would give it
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
 * Calls `fn` once when `signal` aborts; never where it has aborted already. However many wait for a signal in this way,
 * it has one listener: a caller may share a signal among any number of calls, and Node warns of a leak at the eleventh.
 * @param fn must not throw; each waiting needs a function of its own
 * @returns ends the waiting; safe to call again, and after the abort
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
    // One that another one ends meanwhile is gone from the set, and is not reached.
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
 * The result, or the signal's reason as soon as it aborts, whichever comes first. Leaves no listener behind, and a
 * promise that rejects after an abort causes no unhandled rejection.
 * @param result a value is as good as a promise of it
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

/** A signal that follows others. */
export interface JoinedSignal {
  readonly signal: AbortSignal;
  /** Stops following; safe to call again. */
  release(): void;
}

/**
 * A signal that aborts with the first of several, and for its reason. `AbortSignal.any` does the same, but stays with
 * its sources for as long as they live.
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
