import { AsyncLocalStorage } from 'node:async_hooks';

const deadlines = new AsyncLocalStorage<number>();

/**
 * When whoever sent the request that is being answered stops waiting, in milliseconds since the epoch; calls to other
 * services end by then, too. Undefined where no request is being answered, or none that told of a deadline.
 */
export function currentDeadline(): number | undefined {
  return deadlines.getStore();
}

/** Runs `fn` with a deadline as the current one, across everything that it awaits. */
export function withDeadline<T>(deadline: number, fn: () => T): T {
  return deadlines.run(deadline, fn);
}
