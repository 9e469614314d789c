import { AsyncLocalStorage } from 'node:async_hooks';

const deadlines = new AsyncLocalStorage<number>();

/**
 * The deadline of the request being handled, in milliseconds since the epoch: when its sender stops waiting. Calls to
 * other services end by then, too. Undefined outside of a request, or if it carried no deadline.
 */
export function currentDeadline(): number | undefined {
  return deadlines.getStore();
}

/** Runs `fn` with a current deadline, which holds across everything that it awaits. */
export function withDeadline<T>(deadline: number, fn: () => T): T {
  return deadlines.run(deadline, fn);
}
