import {
  AttemptTimeoutError,
  custom,
  DeadlineExceededError,
  messageOf,
  type Option,
  type OutcomeClass,
  ServiceDiscoveryError,
} from '../common/index.js';
import { type StatusRange } from '../model/index.js';

/**
 * 429 and every 5xx, since another instance, or the same one later, may succeed. All but 501 and 505: a retry does not make
 * a server implement something.
 */
export const DEFAULT_RETRYABLE_STATUSES: readonly StatusRange[] = [429, 500, [502, 504], [506, 599]];

/** The caller aborted, or our own side refused the call. */
const IGNORED_NAMES: ReadonlySet<string> = new Set(['AbortError', 'CanceledError']);
const IGNORED_CODES: ReadonlySet<string> = new Set([
  'ABORTED',
  'BULKHEAD_FULL',
  'CONCURRENCY_LIMITED',
  'HOST_NOT_ALLOWED',
  'INVALID_CONFIGURATION',
  'INVALID_INSTANCE',
  'INVALID_REQUEST',
  'RATE_LIMITED',
  'THROTTLED',
  'ABORT_ERR',
  'ERR_CANCELED',
  'UND_ERR_ABORTED',
  // Node's codes for an invalid argument: the caller is at fault, and the callee was not asked.
  'ERR_INVALID_ARG_TYPE',
  'ERR_INVALID_ARG_VALUE',
  'ERR_INVALID_CHAR',
  'ERR_INVALID_HTTP_TOKEN',
  'ERR_INVALID_URL',
  'ERR_OUT_OF_RANGE',
  'ERR_UNESCAPED_CHARACTERS',
]);
/** A call that has used up its time, retries or fallback is not worth repeating from outside. */
const FINAL_CODES: ReadonlySet<string> = new Set(['DEADLINE_EXCEEDED', 'FALLBACK_FAILED', 'RETRY_BUDGET_EXHAUSTED']);

/** These ask to retry later: the request is not at fault, unlike with the rest of the 4xx. */
const NOT_THE_CALLERS_FAULT: ReadonlySet<number> = new Set([408, 429]);

/** Classifies errors, as {@link classifyError} does. */
export type ErrorClassifier = (error: unknown) => OutcomeClass;

/**
 * Classifies an error for breaker and retry. It judges errors by their shape, so that it understands those of Nest, axios,
 * undici and this library:
 * - an abort, a limit of our own (bulkhead, rate, throttling), a request that was refused before it was sent, also by
 *   Node itself (`ERR_INVALID_ARG_TYPE`), a deadline that came from outside and cut a call short: `ignored`;
 * - a status of `retryableStatuses`: `retryable`;
 * - another 4xx, except 408 and 429: `success`, since the other side answered as it should;
 * - another 408, 429 or 5xx: `failure`;
 * - a deadline that passed within the call, a retry budget that ran out, a fallback that failed too: `failure`;
 * - everything else, such as a refused connection: `retryable`.
 */
export function classifyError(
  error: unknown,
  retryableStatuses: readonly StatusRange[] = DEFAULT_RETRYABLE_STATUSES,
): OutcomeClass {
  if (typeof error !== 'object' || error === null) return 'retryable';
  const { name, code, inherited, neverSent } = error as Record<string, unknown>;
  if (typeof name === 'string' && IGNORED_NAMES.has(name)) return 'ignored';
  // One instance is at a host where nothing may be called; another one may take the request.
  if (code === 'HOST_NOT_ALLOWED' && neverSent === true) return 'retryable';
  if (typeof code === 'string') {
    if (IGNORED_CODES.has(code) || (code === 'DEADLINE_EXCEEDED' && inherited === true)) return 'ignored';
    if (FINAL_CODES.has(code)) return 'failure';
  }
  const status = statusOf(error);
  return status === undefined ? 'retryable' : classifyStatus(status, retryableStatuses);
}

/** Classifies the status of a response; everything below 400 is a `success`. */
export function classifyStatus(status: number, retryableStatuses: readonly StatusRange[]): OutcomeClass {
  if (status < 400) return 'success';
  if (includesStatus(retryableStatuses, status)) return 'retryable';
  return status < 500 && !NOT_THE_CALLERS_FAULT.has(status) ? 'success' : 'failure';
}

/** What the reason of an aborted signal means: a timeout is the callee's fault, any other abort is ignored. */
export function classifyAbort(reason: unknown): OutcomeClass {
  if (reason instanceof DeadlineExceededError) return reason.inherited ? 'ignored' : 'failure';
  return reason instanceof AttemptTimeoutError ? 'failure' : 'ignored';
}

/** The HTTP status from 400 to 599 that an error carries: `getStatus()`, `status`, `statusCode`, or those of `response`. */
export function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { getStatus, status, statusCode, response } = error as {
    getStatus?: unknown;
    status?: unknown;
    statusCode?: unknown;
    response?: { status?: unknown; statusCode?: unknown } | null;
  };
  const own: unknown = typeof getStatus === 'function' ? Reflect.apply(getStatus, error, []) : undefined;
  return [own, status, statusCode, response?.status, response?.statusCode].find(isErrorStatus);
}

/** A short description of an error for events: its code, its status, else its message. */
export function reasonOf(error: unknown): string {
  if (error instanceof ServiceDiscoveryError && error.code !== 'RESPONSE_STATUS') return error.code;
  const status = statusOf(error);
  if (status !== undefined) return `status ${status}`;
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' ? code : messageOf(error);
}

/** Whether a status is one of the list, or within one of its ranges. */
export function includesStatus(list: readonly StatusRange[], status: number): boolean {
  return list.some((entry) =>
    typeof entry === 'number' ? entry === status : entry[0] <= status && status <= entry[1],
  );
}

export const ERROR_STATUSES_EXPECTED = 'a list of statuses from 400 to 599 and [from, to] ranges of them';

/** An option that takes a list of statuses, each from 400 to 599, and ranges of them. */
export function errorStatuses(spec: {
  readonly default: readonly StatusRange[];
}): Option<readonly StatusRange[], readonly StatusRange[], 'default'> {
  return custom({
    ...spec,
    range: '400–599, ranges',
    read: (value, path, check) => {
      if (isErrorStatusList(value)) return [...value];
      check.problem(path, value, ERROR_STATUSES_EXPECTED);
      return [];
    },
  });
}

export function isErrorStatusList(value: unknown): value is readonly StatusRange[] {
  return Array.isArray(value) && value.every((entry) => isErrorStatus(entry) || isErrorStatusRange(entry));
}

/** Whether it is a status that an answer with an error has. */
export function isErrorStatus(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 400 && (value as number) <= 599;
}

function isErrorStatusRange(value: unknown): boolean {
  if (!Array.isArray(value) || value.length !== 2) return false;
  const [from, to] = value as unknown[];
  return isErrorStatus(from) && isErrorStatus(to) && from <= to;
}
