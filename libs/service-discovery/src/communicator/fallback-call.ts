import {
  type ErrorCode,
  invalidRequest,
  OptionValidator,
  ResponseStatusError,
  ServiceDiscoveryError,
} from '../common/index.js';
import {
  assertServiceName,
  type EventSink,
  type ServiceName,
  type ServicePath,
  type StatusRange,
} from '../model/index.js';
import { ERROR_STATUSES_EXPECTED, includesStatus, isErrorStatusList, reasonOf } from '../resilience/index.js';
import { type RequestHeaders } from '../transport/index.js';
import { checkRequest, REQUEST_NAMES, requestIn } from './check-request.js';
import { type ServiceCallRequest } from './request.js';

/** A call with a fallback: another service, a function, or the function after the service. */
export interface FallbackRequest<T = unknown> extends ServiceCallRequest<ServicePath> {
  primaryService: ServiceName;
  fallbackService?: ServiceName;
  /**
   * Returns an answer in place of an error: that of the primary service, or a FallbackFailedError if the fallback
   * service failed too.
   */
  fallback?: (error: unknown) => T | Promise<T>;
  /**
   * Overrides for the fallback: path, headers, body. Headers with credentials belong to the primary service and are
   * left out unless given here.
   */
  fallbackRequest?: Partial<ServiceCallRequest<ServicePath>>;
  /**
   * What triggers the fallback: responses of the primary with one of these statuses (from 400 to 599, or `[from, to]`
   * ranges), or a predicate on the error. A response is passed as a `ResponseStatusError`, with its status, headers and
   * body. With a list of statuses, errors without a response trigger the fallback as by default.
   * @default every error except those caused by the caller: see {@link isFallbackWorthy}
   */
  fallbackOn?: readonly StatusRange[] | ((error: unknown) => boolean);
}

/** The response of a call with a fallback, and which of the two it came from. */
export interface FallbackResult<T> {
  readonly data: T;
  /** Which of the two services answered; undefined if the function did. */
  readonly serviceName?: string;
  readonly fallback: boolean;
  /** Why the primary failed; set only if a fallback answered. */
  readonly primaryError?: unknown;
}

/** Both the primary service and its fallback failed. */
export class FallbackFailedError extends ServiceDiscoveryError {
  constructor(
    request: Pick<FallbackRequest, 'primaryService' | 'fallbackService'>,
    readonly primaryError: unknown,
    readonly fallbackError: unknown,
  ) {
    super(
      'FALLBACK_FAILED',
      `"${request.primaryService}" failed (${reasonOf(primaryError)}), and so did its fallback "${request.fallbackService}" (${reasonOf(fallbackError)}). ` +
        'Find out why by primaryError and fallbackError',
      { service: request.primaryService, cause: fallbackError },
    );
  }
}

const FIELDS: Readonly<Record<Exclude<keyof FallbackRequest, keyof ServiceCallRequest>, true>> = {
  primaryService: true,
  fallbackService: true,
  fallback: true,
  fallbackRequest: true,
  fallbackOn: true,
};
const NAMES = REQUEST_NAMES.and(...Object.keys(FIELDS));

/** `idempotency-key` and the like are not secrets, so a bare "key" is not enough. */
const CREDENTIAL_HEADERS =
  /authorization|cookie|password|secret|token|credential|(?:api|access|auth)[-_]?key|^x-auth-/i;

/** Errors that any service would return. */
const OWN_FAULTS: ReadonlySet<ErrorCode> = new Set([
  'INVALID_REQUEST',
  'INVALID_CONFIGURATION',
  'UNSUPPORTED_PROTOCOL',
]);

/**
 * The default of `fallbackOn`. A status such as 404 or 422 is a valid answer, and an invalid or aborted request would
 * fail with any service; 408, 429 and 5xx are problems of the primary.
 */
export function isFallbackWorthy(error: unknown): boolean {
  if (error instanceof ResponseStatusError) return error.status >= 500 || error.status === 408 || error.status === 429;
  return error instanceof ServiceDiscoveryError && !OWN_FAULTS.has(error.code);
}

/**
 * Calls the primary service, and the fallbacks if it fails.
 * @throws ServiceDiscoveryError `INVALID_REQUEST` without any fallback or for an invalid request; FallbackFailedError
 * if both services failed; what the function throws
 */
export async function callWithFallback<T>(
  request: FallbackRequest<T>,
  call: (service: string, request: ServiceCallRequest) => Promise<T>,
  events: EventSink,
): Promise<FallbackResult<T>> {
  checkFallbackRequest(request);
  const { primaryService, fallbackService, fallbackRequest, fallback, fallbackOn } = request;
  const own = requestIn(request) as ServiceCallRequest;
  const failOver = (to: string, error: unknown): void =>
    events.emit('call.failed_over', { service: primaryService, from: primaryService, to, reason: reasonOf(error) });
  let primaryError: unknown;
  let lastError: unknown;
  try {
    return { data: await call(primaryService, own), serviceName: primaryService, fallback: false };
  } catch (error) {
    if ((own.cancellation ?? own.signal)?.aborted || !leadsToFallback(error, fallbackOn)) throw error;
    lastError = primaryError = error;
  }
  if (fallbackService !== undefined) {
    failOver(fallbackService, primaryError);
    try {
      const data = await call(fallbackService, requestForFallback(own, fallbackRequest));
      return { data, serviceName: fallbackService, fallback: true, primaryError };
    } catch (error) {
      lastError = new FallbackFailedError(request, primaryError, error);
      if (!fallback || (own.cancellation ?? own.signal)?.aborted) throw lastError;
    }
  }
  failOver('fallback', lastError);
  return { data: await fallback!(lastError), fallback: true, primaryError };
}

function leadsToFallback(error: unknown, on: FallbackRequest['fallbackOn']): boolean {
  if (typeof on === 'function') return on(error);
  return on && error instanceof ResponseStatusError ? includesStatus(on, error.status) : isFallbackWorthy(error);
}

/** @throws ServiceDiscoveryError `INVALID_REQUEST` naming the wrong field, before anything is sent */
function checkFallbackRequest<T>(request: FallbackRequest<T>): void {
  checkRequest(undefined, request, NAMES);
  const { primaryService: service, fallbackService, fallback, fallbackRequest, fallbackOn } = request;
  assertServiceName(service, 'primaryService');
  if (fallbackService !== undefined) assertServiceName(fallbackService, 'fallbackService');
  if (fallbackRequest !== undefined) checkRequest(service, fallbackRequest, REQUEST_NAMES, 'fallbackRequest');
  const check = new OptionValidator();
  check.optionalFunction('fallback', fallback);
  if (fallbackOn !== undefined && typeof fallbackOn !== 'function' && !isErrorStatusList(fallbackOn)) {
    check.problem('fallbackOn', fallbackOn, `${ERROR_STATUSES_EXPECTED}, or a function`);
  }
  if (fallbackService === undefined && fallback === undefined) {
    check.problem('fallbackService or fallback', undefined, 'one of them');
  }
  if (check.problems.length > 0) throw invalidRequest(check.problems, service);
}

function requestForFallback(own: ServiceCallRequest, changes: Partial<ServiceCallRequest> = {}): ServiceCallRequest {
  const { json, body, ...rest } = own;
  // A body of the fallback replaces the primary's, whether `json` or `body`.
  const content = changes.json === undefined && changes.body === undefined ? { json, body } : {};
  return {
    ...rest,
    ...content,
    ...requestIn(changes),
    headers: { ...withoutCredentials(own.headers), ...changes.headers },
  };
}

function withoutCredentials(headers: RequestHeaders | undefined): RequestHeaders {
  // JavaScript callers may pass null.
  return Object.fromEntries(Object.entries(headers ?? {}).filter(([name]) => !CREDENTIAL_HEADERS.test(name)));
}
