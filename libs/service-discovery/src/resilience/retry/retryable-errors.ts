import { type OptionValidator } from '../../common/index.js';

/** A class of errors: an error of a class below it is meant too. */
export type ErrorClass = abstract new (...args: never[]) => Error;

/**
 * Which errors are worth another attempt: those with one of the codes or names, those of one of the classes, or those
 * that a function says. Codes and classes are looked for in the causes of an error too, so that `'ECONNRESET'` finds the
 * `TransportError` that the socket's error led to.
 */
export type RetryableErrors = readonly (string | ErrorClass)[] | ((error: unknown) => boolean);

/** Deeper causes than anybody makes on purpose; a chain of causes may be a circle. */
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

/** Reports what is neither a list of codes and classes nor a function. */
export function checkRetryableErrors(check: OptionValidator, value: unknown): RetryableErrors | undefined {
  if (value === undefined || (typeof value === 'function' && !isErrorClass(value))) {
    return value as RetryableErrors | undefined;
  }
  const isKind = (kind: unknown): boolean => (typeof kind === 'string' && kind !== '') || isErrorClass(kind);
  if (Array.isArray(value) && value.every(isKind)) return [...(value as (string | ErrorClass)[])];
  check.problem('retryableErrors', value, 'a list of error codes and classes of errors, or a function');
  return undefined;
}

function isErrorClass(value: unknown): value is ErrorClass {
  return typeof value === 'function' && (value === Error || value.prototype instanceof Error);
}
