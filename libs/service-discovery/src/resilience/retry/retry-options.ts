import {
  count,
  custom,
  duration,
  fromEnv,
  group,
  oneOf,
  optional,
  OptionGroup,
  type OptionsOf,
  orFalse,
  type ResolvedOf,
} from '../../common/index.js';
import { DEFAULT_RETRYABLE_STATUSES, errorStatuses } from '../classify.js';
import { RETRY_BUDGET_OPTIONS } from './retry-budget.js';

/**
 * How a wait is drawn, where `d` starts at `baseDelay` and doubles with each wait:
 * - `full`: from `[0, d)`, which best spreads clients that failed together;
 * - `equal`: from the upper half of it;
 * - `decorrelated`: from `baseDelay` to three times the previous wait;
 * - `none`: always `d`, for tests and for a single client.
 */
export type Jitter = (typeof JITTERS)[number];
const JITTERS = ['full', 'equal', 'decorrelated', 'none'] as const;

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
const retryableErrors = custom<RetryableErrors>({
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

const LONGEST_DELAY_MS = 3_600_000;

/** Whether, when and how often a failed attempt is repeated. */
export const RETRY_OPTIONS = new OptionGroup(
  'retry',
  {
    /**
     * All attempts of a call, the first one included: 1 means no retry. A whole number from 1 to 20.
     * @default 3
     */
    maxAttempts: fromEnv('RETRY_MAX_ATTEMPTS', count({ default: 3, min: 1, max: 20 })),
    /**
     * Upper bound of the first delay; doubles with each further one. From 0 to 1 h.
     * @default 1 s
     */
    baseDelay: fromEnv('RETRY_BASE_DELAY', duration({ default: 1_000, maxMs: LONGEST_DELAY_MS })),
    /**
     * Upper bound of every delay, at least `baseDelay`. If the server asks for a longer one, the call is not retried.
     * From 0 to 1 h.
     * @default 60 s
     */
    maxDelay: fromEnv('RETRY_MAX_DELAY', duration({ default: 60_000, maxMs: LONGEST_DELAY_MS })),
    /**
     * How a delay d is spread: `full` draws from [0, d), `equal` from its upper half, `decorrelated` from `baseDelay` to 3 times
     * the delay before, `none` takes d.
     * @default 'full'
     */
    jitter: oneOf(JITTERS, { default: 'full' }),
    /**
     * The statuses that are retried, each from 400 to 599, and `[from, to]` ranges of them.
     * @default [429, 500, [502, 504], [506, 599]]: 429 and every 5xx but 501 and 505
     */
    retryableStatuses: errorStatuses({ default: DEFAULT_RETRYABLE_STATUSES }),
    /**
     * Errors that are retried when no status arrived: a list of codes (`'ECONNRESET'`, `'ATTEMPT_TIMEOUT'`), names and
     * classes of errors, or a function. Aborted calls and mistakes of the caller are never retried.
     * @default every error that is the callee's fault
     */
    retryableErrors: optional(retryableErrors),
    /**
     * How many retries are allowed in proportion to the calls; false: no limit.
     * @default {} (20% of the calls and 10 a second)
     */
    budget: orFalse(group(RETRY_BUDGET_OPTIONS)),
  },
  (resolved, given, check) => {
    // A default yields to what was set; only two options that were both set can contradict each other.
    const { baseDelay, maxDelay } = resolved;
    if (given.baseDelay === undefined) resolved.baseDelay = Math.min(baseDelay, maxDelay);
    if (given.maxDelay === undefined) resolved.maxDelay = Math.max(baseDelay, maxDelay);
    if (resolved.maxDelay < resolved.baseDelay) {
      check.problem('maxDelay', given.maxDelay, `a duration not shorter than baseDelay, which is ${baseDelay}ms`);
    }
  },
);

export interface RetryOptions extends OptionsOf<typeof RETRY_OPTIONS> {}
export interface ResolvedRetryOptions extends ResolvedOf<typeof RETRY_OPTIONS> {}

const IDEMPOTENT_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']);

/** Whether repeating a request with this method has the effect of sending it once (RFC 9110, 9.2.2). */
export function isIdempotentMethod(method: string): boolean {
  return IDEMPOTENT_METHODS.has(method) || IDEMPOTENT_METHODS.has(method.toUpperCase());
}
