import { ResponseStatusError, ServiceDiscoveryError } from '../common/index.js';
import { type EventSink } from '../model/index.js';
import { reasonOf } from '../resilience/index.js';
import { type RequestHeaders } from '../transport/index.js';
import { type ServiceCallRequest } from './request.js';

/** A call with another service to turn to. */
export interface FallbackRequest extends ServiceCallRequest {
  primaryService: string;
  fallbackService: string;
  /**
   * What differs for the fallback: its own path, headers, body. Headers that carry credentials belong to the primary
   * service and are left out unless they are given here.
   */
  fallbackRequest?: Partial<ServiceCallRequest>;
  /** Which errors of the primary lead to the fallback. @default all but the caller's own faults: see {@link isFallbackWorthy} */
  fallbackOn?: (error: unknown) => boolean;
}

export interface FallbackResult<T> {
  readonly data: T;
  /** Which of the two answered. */
  readonly serviceName: string;
  readonly fallback: boolean;
  /** Why the primary did not answer; only where the fallback did. */
  readonly primaryError?: unknown;
}

/** Neither the primary service nor its fallback answered. */
export class FallbackFailedError extends ServiceDiscoveryError {
  constructor(
    request: FallbackRequest,
    readonly primaryError: unknown,
    readonly fallbackError: unknown,
  ) {
    super(
      'FALLBACK_FAILED',
      `"${request.primaryService}" failed (${reasonOf(primaryError)}), and so did its fallback "${request.fallbackService}" (${reasonOf(fallbackError)})`,
      { service: request.primaryService, cause: fallbackError },
    );
  }
}

/** `idempotency-key` and the like are no secrets, so a key has to say that it opens something. */
const CREDENTIAL_HEADERS = /authorization|cookie|password|secret|token|credential|(?:api|access|auth)-?key|^x-auth-/i;

/**
 * The default of `fallbackOn`. An answer such as 404 or 422 is an answer, and a request that is wrong or was aborted
 * stays so with any service; 408 and 429 are the primary's trouble, like everything from 500 on.
 */
export function isFallbackWorthy(error: unknown): boolean {
  if (error instanceof ResponseStatusError) return error.status >= 500 || error.status === 408 || error.status === 429;
  return (
    error instanceof ServiceDiscoveryError && error.code !== 'INVALID_REQUEST' && error.code !== 'INVALID_CONFIGURATION'
  );
}

export async function callWithFallback<T>(
  request: FallbackRequest,
  call: (service: string, request: ServiceCallRequest) => Promise<T>,
  events: EventSink,
): Promise<FallbackResult<T>> {
  const { primaryService, fallbackService, fallbackRequest, fallbackOn = isFallbackWorthy, ...own } = request;
  try {
    return { data: await call(primaryService, own), serviceName: primaryService, fallback: false };
  } catch (primaryError) {
    if (own.signal?.aborted || !fallbackOn(primaryError)) throw primaryError;
    events.emit('call.failed_over', {
      service: primaryService,
      from: primaryService,
      to: fallbackService,
      reason: reasonOf(primaryError),
    });
    try {
      const data = await call(fallbackService, requestForFallback(own, fallbackRequest));
      return { data, serviceName: fallbackService, fallback: true, primaryError };
    } catch (fallbackError) {
      throw new FallbackFailedError(request, primaryError, fallbackError);
    }
  }
}

function requestForFallback(own: ServiceCallRequest, changes: Partial<ServiceCallRequest> = {}): ServiceCallRequest {
  const { json, body, ...rest } = own;
  // A body of its own stands in place of the primary's, of whichever kind either is.
  const content = changes.json === undefined && changes.body === undefined ? { json, body } : {};
  return { ...rest, ...content, ...changes, headers: { ...withoutCredentials(own.headers), ...changes.headers } };
}

function withoutCredentials(headers: RequestHeaders = {}): RequestHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !CREDENTIAL_HEADERS.test(name)));
}
