/** How a caller has shown who it is. */
export type CallerKind = 'shared-token' | 'guard' | 'local';

/** Who sent a request. */
export interface Caller {
  readonly kind: CallerKind;
  /** Equal for all requests of one caller: `shared-token`; `guard`, which a guard of the app let in; `local`, this machine. */
  readonly id: string;
}

export const SHARED_TOKEN_CALLER: Caller = { kind: 'shared-token', id: 'shared-token' };
export const GUARD_CALLER: Caller = { kind: 'guard', id: 'guard' };
export const LOCAL_CALLER: Caller = { kind: 'local', id: 'local' };

const callers = new WeakMap<object, Caller | undefined>();

/**
 * Who sent a request that was let in; undefined for a stranger, who may only read, where reads are open.
 * @param request the platform's own request object
 */
export function callerOf(request: object): Caller | undefined {
  return callers.get(request);
}

/** Whether the guard of the API was asked: a request that was refused without that was refused by a global guard of the app. */
export function wasAsked(request: object): boolean {
  return callers.has(request);
}

/** @param caller undefined while it is unknown */
export function setCaller(request: object, caller: Caller | undefined): void {
  callers.set(request, caller);
}
