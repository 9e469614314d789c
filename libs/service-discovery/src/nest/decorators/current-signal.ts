import { AsyncLocalStorage } from 'node:async_hooks';

const signals = new AsyncLocalStorage<AbortSignal>();

/**
 * The signal of the running attempt of `@ResilientCall()`: it aborts at the attempt's or the call's timeout. Pass it on
 * so that abandoned work stops. Undefined outside of such a call.
 */
export function currentSignal(): AbortSignal | undefined {
  return signals.getStore();
}

/** Runs `fn` with `signal` as the current one, across everything that it awaits. */
export function withSignal<T>(signal: AbortSignal, fn: () => T): T {
  return signals.run(signal, fn);
}
