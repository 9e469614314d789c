import { AsyncResource } from 'node:async_hooks';

const scope = new AsyncResource('nest-service-discovery', { requireManualDestroy: true });
// Destroyed right after its creation, since it awaits nothing; otherwise Jest would report it as an open handle.
scope.emitDestroy();

/**
 * Runs `fn` outside the caller's async context, to create things that outlive the current call and serve others, such
 * as connections. Created in the call's context, they would retain whatever the caller keeps in an `AsyncLocalStorage`,
 * often a whole request, and expose it to other calls.
 */
export function detached<T>(fn: () => T): T {
  return scope.runInAsyncScope(fn);
}
