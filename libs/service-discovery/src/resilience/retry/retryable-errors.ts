import { custom } from '../../common/index.js';

/** A class of errors; its subclasses match too. */
export type ErrorClass = abstract new (...args: never[]) => Error;

/**
 * Which errors are retried: those with one of the codes or names, those of one of the classes, or those for which a
 * function returns true. The causes of an error are searched too, so that `'ECONNRESET'` matches the `TransportError` that
 * the socket's error led to.
 */
export type RetryableErrors = readonly (string | ErrorClass)[] | ((error: unknown) => boolean);

/** Deeper than real chains of causes; one may be circular. */
const DEEPEST_CAUSE = 8;

export function isRetryableError(error: unknown, retryable: RetryableErrors): boolean {
  if (typeof retryable === 'function') return retryable(error);
  let cause = error;
  for (let depth = 0; depth < DEEPEST_CAUSE && typeof cause === 'object' && cause !== null; depth++) {
    const { code, name, cause: next } = cause as { code?: unknown; name?: unknown; cause?: unknown };
    for (const wanted of retryable) {
      if (typeof wanted === 'string' ? wanted === code || wanted === name : cause instanceof wanted) return true;
    }
    cause = next;
  }
  return false;
}

/** An option that takes a list of codes and classes, or a function. */
export const retryableErrors = custom<RetryableErrors>({
  range: 'codes, names and classes of errors, or a function',
  read: (value, path, check) => {
    if (typeof value === 'function' && !isErrorClass(value)) return value as RetryableErrors;
    const isKind = (kind: unknown): boolean => (typeof kind === 'string' && kind !== '') || isErrorClass(kind);
    if (Array.isArray(value) && value.every(isKind)) return [...(value as (string | ErrorClass)[])];
    check.problem(path, value, 'a list of error codes and classes of errors, or a function');
    return [];
  },
});

function isErrorClass(value: unknown): value is ErrorClass {
  return typeof value === 'function' && (value === Error || value.prototype instanceof Error);
}
