import { AsyncResource } from 'node:async_hooks';

const scope = new AsyncResource('nest-service-discovery', { requireManualDestroy: true });
// It is left as soon as it is made, since it waits for nothing: what looks for open handles, as Jest does, would report it.
scope.emitDestroy();

/**
 * Runs `fn` outside of its caller's async context: for what outlives the call that happens to need it first, and serves others
 * after it, such as a connection. Made in that call's own context it would hold for good all that its caller keeps in an
 * `AsyncLocalStorage`, most often a whole request, and show it to the others.
 */
export function detached<T>(fn: () => T): T {
  return scope.runInAsyncScope(fn);
}
