import { AsyncLocalStorage } from 'node:async_hooks';

const signals = new AsyncLocalStorage<AbortSignal>();

/**
 * The signal of the attempt of `@ResilientCall()` that is running: it aborts when the attempt's or the call's time is
 * up. Pass it on, so that what was given up does not go on working. Undefined outside of such a call.
 */
export function currentSignal(): AbortSignal | undefined {
  return signals.getStore();
}

/** Runs `fn` with `signal` as the current one, across everything that it awaits. */
export function withSignal<T>(signal: AbortSignal, fn: () => T): T {
  return signals.run(signal, fn);
}
