import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * What a request carries to the work that answers it: one small object for each request that carries anything, so that the
 * context is entered once, whatever a request carries. A field is undefined if the request did not carry it.
 */
export interface IncomingContext {
  /** Milliseconds since the epoch. */
  readonly deadline: number | undefined;
}

const contexts = new AsyncLocalStorage<IncomingContext>();

/** Runs `fn` with a current context, which holds across everything that it awaits. */
export function runIncoming<T>(context: IncomingContext, fn: () => T): T {
  return contexts.run(context, fn);
}

/**
 * The deadline of the request being handled, in milliseconds since the epoch: when its sender stops waiting. Calls to
 * other services end by then, too. Undefined outside of a request, or if it carried no deadline.
 */
export function currentDeadline(): number | undefined {
  return contexts.getStore()?.deadline;
}
