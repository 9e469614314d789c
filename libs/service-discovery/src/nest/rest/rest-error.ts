import { HttpException } from '@nestjs/common';
import { type ErrorCode, errorPageOf, messageOf, type Problem, ServiceDiscoveryError } from '../../common/index.js';
import { HostNotAllowedError } from '../../model/index.js';
import { type ServiceRegistry } from '../../registry/index.js';
import { AccessError, KeysUnavailableError } from './access/index.js';

/** Error codes of the REST API besides those of the library. */
export type RestErrorCode =
  | ErrorCode
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'ACCESS_DENIED'
  | 'KEYS_UNAVAILABLE'
  | 'NOT_FOUND'
  | 'PAYLOAD_TOO_LARGE'
  | 'LIMIT_REACHED'
  | 'TOO_MANY_STREAMS'
  | 'INTERNAL_ERROR';

/** One wrong field of a request. */
export interface FieldProblem {
  /** The field in the request's own spelling; `body` where the body as a whole is wrong. */
  readonly field: string;
  /** The value that was sent, shortened; the contents of objects and lists are left out. */
  readonly value: unknown;
  /** What is allowed. */
  readonly expected: string;
}

/** The body of every answer that is an error. */
export interface ErrorBody {
  readonly error: {
    readonly code: RestErrorCode;
    readonly message: string;
    /** URL of the documentation of the code. */
    readonly page: string;
    /** Every wrong field; empty if the error is not about a field of the request. */
    readonly problems: readonly FieldProblem[];
    readonly service?: string;
    readonly instance_id?: string;
    /** With `HOST_NOT_ALLOWED`: the kind of host. */
    readonly reason?: string;
    /** With `UNAUTHORIZED` and `FORBIDDEN`: a global guard of the app refused the request, before the token was looked at. */
    readonly refused_by?: 'global_guard';
    readonly retry_after_ms?: number;
  };
  readonly status_code: number;
}

/** The request cannot be understood or breaks a rule; every wrong field is in `problems`. */
export class InvalidRequestError extends ServiceDiscoveryError {
  constructor(
    readonly problems: readonly Problem[],
    code: 'INVALID_REQUEST' | 'INVALID_INSTANCE' = 'INVALID_REQUEST',
  ) {
    super(code, problems.map(({ path, expected }) => `${path}: expected ${expected}`).join('; '));
  }
}

/** The body is longer than any valid one. */
export class PayloadTooLargeError extends Error {
  constructor(readonly limitBytes: number) {
    super(`The body is longer than ${limitBytes} bytes`);
    this.name = 'PayloadTooLargeError';
  }
}

/** The maximum number of open streams is reached. */
export class TooManyStreamsError extends Error {
  readonly retryAfterMs = 10_000;

  constructor(limit: number, option: string) {
    super(`As many readers have this stream open as may: ${limit} (${option})`);
    this.name = 'TooManyStreamsError';
  }
}

/** A limit of `api.limits` is reached. */
export class LimitReachedError extends Error {
  constructor(
    message: string,
    readonly retryAfterMs: number,
  ) {
    super(message);
    this.name = 'LimitReachedError';
  }
}

const STATUS_BY_CODE: Readonly<Partial<Record<ErrorCode, number>>> = {
  INVALID_REQUEST: 400,
  INVALID_INSTANCE: 400,
  HOST_NOT_ALLOWED: 400,
  UNSUPPORTED_PROTOCOL: 400,
  SERVICE_NOT_FOUND: 404,
  INSTANCE_NOT_FOUND: 404,
  LEASE_LOST: 404,
  RATE_LIMITED: 429,
  NO_AVAILABLE_INSTANCE: 503,
  THROTTLED: 503,
  CONCURRENCY_LIMITED: 503,
  REGISTRY_UNAVAILABLE: 503,
};

/** The default of `Retry-After`. */
const DEFAULT_RETRY_AFTER_MS = 1_000;

/** The response to an error; undefined for an internal error, whose details are not exposed. */
export function toErrorBody(error: unknown): ErrorBody | undefined {
  if (error instanceof PayloadTooLargeError) {
    const problem = { field: 'body', value: null, expected: `at most ${error.limitBytes} bytes` };
    return bodyOf(413, 'PAYLOAD_TOO_LARGE', error.message, { problems: [problem] });
  }
  if (error instanceof LimitReachedError) {
    return bodyOf(429, 'LIMIT_REACHED', error.message, { retry_after_ms: error.retryAfterMs });
  }
  if (error instanceof TooManyStreamsError) {
    return bodyOf(503, 'TOO_MANY_STREAMS', error.message, { retry_after_ms: error.retryAfterMs });
  }
  if (error instanceof AccessError) return ofAccess(error);
  if (error instanceof KeysUnavailableError) {
    return bodyOf(503, 'KEYS_UNAVAILABLE', error.message, { retry_after_ms: DEFAULT_RETRY_AFTER_MS });
  }
  if (error instanceof ServiceDiscoveryError) return ofLibrary(error);
  if (error instanceof HttpException) return ofNest(error);
  return undefined;
}

/** The answer where a global guard of the app refused the request. */
export function toRefusalBody({ error, status_code }: ErrorBody): ErrorBody {
  const message =
    `A global guard of this app refused the request (${error.message}), before its token was looked at. To let it pass, put ` +
    'api: { decorators: [Public()] }, with the decorator that the guard goes by, into ServiceDiscoveryModule.forRoot';
  return { error: { ...error, message, refused_by: 'global_guard' }, status_code };
}

/** The response if {@link toErrorBody} returns undefined. */
export const INTERNAL_ERROR_BODY = bodyOf(500, 'INTERNAL_ERROR', 'The request failed; the log of the server says why');

function bodyOf(
  status: number,
  code: RestErrorCode,
  message: string,
  details: Partial<Omit<ErrorBody['error'], 'code' | 'message' | 'page'>> = {},
): ErrorBody {
  return { error: { code, message, page: errorPageOf(code), problems: [], ...details }, status_code: status };
}

function ofAccess({ code, message, details }: AccessError): ErrorBody {
  const { service, instanceId: instance_id } = details;
  return bodyOf(code === 'UNAUTHORIZED' ? 401 : 403, code, message, { service, instance_id });
}

function ofLibrary(error: ServiceDiscoveryError): ErrorBody | undefined {
  const status = STATUS_BY_CODE[error.code];
  if (status === undefined) return undefined;
  return bodyOf(status, error.code, messageOf(error), {
    problems: problemsOf(error).map(({ path, value, expected }) => ({ field: path, value: brief(value), expected })),
    service: error.service,
    instance_id: error.instanceId,
    reason: (error as { reason?: string }).reason,
    retry_after_ms: error.retryAfterMs ?? (error.code === 'REGISTRY_UNAVAILABLE' ? DEFAULT_RETRY_AFTER_MS : undefined),
  });
}

function problemsOf(error: ServiceDiscoveryError): readonly Problem[] {
  const { problems } = error as { problems?: readonly Problem[] };
  return problems ?? (error instanceof HostNotAllowedError ? error.problems : []);
}

function ofNest(error: HttpException): ErrorBody {
  const status = error.getStatus();
  return bodyOf(status, codeOfStatus(status), error.message);
}

function codeOfStatus(status: number): RestErrorCode {
  switch (status) {
    case 401:
      return 'UNAUTHORIZED';
    case 403:
      return 'FORBIDDEN';
    case 404:
      return 'NOT_FOUND';
    case 413:
      return 'PAYLOAD_TOO_LARGE';
    default:
      return status < 500 ? 'INVALID_REQUEST' : 'INTERNAL_ERROR';
  }
}

/** A wrong value as shown in an error: shortened, and without the contents of objects, which may be secret. */
function brief(value: unknown): unknown {
  if (value === undefined) return null;
  if (typeof value === 'string') return value.length > 80 ? `${value.slice(0, 77)}...` : value;
  if (Array.isArray(value)) return `[list of ${value.length}]`;
  return typeof value === 'object' && value !== null ? '[object]' : value;
}

/** While the registry is unreachable, reports the age of the data as a cache would (RFC 9111, section 5.1). */
export function ageHeader(registry: Pick<ServiceRegistry, 'snapshot' | 'ageMs'>): Readonly<Record<string, string>> {
  return registry.snapshot.connected ? {} : { age: String(Math.floor(registry.ageMs() / 1_000)) };
}
