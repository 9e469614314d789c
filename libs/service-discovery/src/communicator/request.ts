import { type Cancellation, type Duration, invalidRequest, messageOf } from '../common/index.js';
import { findCriteriaProblems, type SelectionCriteria } from '../balancing/index.js';
import { isIdempotentMethod } from '../resilience/index.js';
import { type ServiceInstance } from '../model/index.js';
import {
  headerFault,
  type HttpMethod,
  type Query,
  type RequestBody,
  type RequestHeaders,
  type ResponseBody,
  type ServiceRequest,
  type ServiceResponse,
} from '../transport/index.js';
import { kindOf, reject } from './invalid-request.js';

/** One call, as the caller says it. A field that is undefined counts as left out. */
export interface ServiceCallRequest {
  /** In capitals or small letters. Only idempotent methods are retried, unless there is an `idempotencyKey`. @default 'GET' */
  method?: HttpMethod | Lowercase<HttpMethod> | undefined;
  /** Starts with a slash; appended to the instance's base path. */
  path: string;
  /** Added to the query that `path` may hold; null and undefined values are left out. */
  query?: Query | undefined;
  /** By name; those that are undefined are left out. */
  headers?: RequestHeaders | undefined;
  /** Sent as JSON, with `content-type: application/json`. Not together with `body`. */
  json?: unknown;
  /** Sent as it is. A stream can be sent only once, so such a call is never retried. Not together with `json`. */
  body?: RequestBody | undefined;
  /**
   * The time for the whole call: all attempts, the waits between them and, where the library reads it, the body.
   * @default that of the options
   */
  timeout?: Duration | undefined;
  /** The time for one attempt. @default that of the options */
  attemptTimeout?: Duration | undefined;
  /** Ends the call at once, with the signal's own reason. */
  signal?: AbortSignal | undefined;
  /** The same for who cancels in another way, without an `AbortSignal`'s price. Goes before `signal`. */
  cancellation?: Cancellation | undefined;
  /** Sent as `idempotency-key`; lets a POST or PATCH be retried. */
  idempotencyKey?: string | undefined;
  /** Which instances may be asked. */
  criteria?: SelectionCriteria | undefined;
  /** What hash strategies go by. */
  key?: string | undefined;
  /** The address of the client for whom the call is made, for strategies that go by it. It is not sent. */
  clientIp?: string | undefined;
}

/** A response, with who gave it. */
export interface ServiceCallResponse extends ServiceResponse {
  readonly body: ResponseBody;
  readonly instance: ServiceInstance;
  /** How many attempts it took, this one counted. */
  readonly attempts: number;
  /** How long ago the answer was given, in milliseconds, where it is the last good one in place of one that failed. */
  readonly staleMs?: number;
}

/** The same with all that it has as fields of its own, for whoever spreads or logs it. */
export function asPlainObject(response: ServiceCallResponse): ServiceCallResponse {
  const { status, headers, body, instance, attempts, staleMs } = response;
  const plain = { status, headers, body, instance, attempts };
  return staleMs === undefined ? plain : { ...plain, staleMs };
}

/** A request checked and ready to be sent, as often as need be. */
export interface PreparedRequest extends ServiceRequest {
  /** Names in lower case. Of this call alone, so that stages may add to them. */
  readonly headers: PreparedHeaders;
  /** Whether sending it twice does no more than sending it once. */
  readonly idempotent: boolean;
  /** False for a stream: it is used up by the first attempt. */
  readonly replayable: boolean;
}

type PreparedHeaders = Record<string, string | number | readonly string[]>;

const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] satisfies HttpMethod[];
/** Nearly all paths, for whom a look at each character's class would be too much. */
const PLAIN_PATH = /^\/[!"$-~]*$/;
const PATH = /^\/[^\s\p{Cc}#]*$/u;
const BODY_EXPECTED =
  'a text, a Buffer or Uint8Array, a stream or another async iterable (an object is sent as json, in place of body)';

/**
 * Checks a request and fills in what follows from it.
 * @param accept what it accepts, where its headers do not say
 * @throws ServiceDiscoveryError `INVALID_REQUEST` that names the field, before anything is sent
 */
export function prepareRequest(service: string, request: ServiceCallRequest, accept?: string): PreparedRequest {
  const { path, query, json, criteria, idempotencyKey } = request;
  const method = methodOf(service, request);
  if (typeof path !== 'string' || !(PLAIN_PATH.test(path) || PATH.test(path))) {
    reject(
      service,
      'path',
      withoutQuery(path),
      'a path that starts with "/" and has its special characters percent-encoded',
    );
  }
  if (criteria !== undefined) checkCriteria(service, criteria);
  const headers = prepareHeaders(service, request.headers, accept);
  if (idempotencyKey !== undefined) headers['idempotency-key'] = idempotencyKey;
  let { body } = request;
  if (json !== undefined) {
    if (body !== undefined) reject(service, 'body', '(both given)', 'either json or body, not both');
    body = toJson(service, json);
    headers['content-type'] ??= 'application/json';
  }
  const replayable = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
  if (!replayable && !isAsyncIterable(body)) reject(service, 'body', kindOf(body), BODY_EXPECTED);
  return {
    method,
    path,
    query,
    headers,
    body,
    idempotent: isIdempotentMethod(method) || headers['idempotency-key'] !== undefined,
    replayable,
  };
}

/** A query may hold secrets. */
function withoutQuery(path: unknown): unknown {
  return typeof path === 'string' ? path.replace(/\?[^]*/, '?***') : path;
}

function isAsyncIterable(value: unknown): boolean {
  return typeof (value as Partial<AsyncIterable<unknown>> | null)?.[Symbol.asyncIterator] === 'function';
}

function methodOf(service: string, request: ServiceCallRequest): HttpMethod {
  const method: unknown = request.method ?? 'GET';
  if (method === 'GET') return method;
  const upper = typeof method === 'string' ? method.toUpperCase() : '';
  if (!METHODS.includes(upper)) reject(service, 'method', method, `one of ${METHODS.join(', ')}`);
  return upper as HttpMethod;
}

function checkCriteria(service: string, criteria: SelectionCriteria): void {
  const problems = findCriteriaProblems(criteria);
  if (problems.length > 0) throw invalidRequest(problems, service);
}

function toJson(service: string, value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    const why = messageOf(error).split('\n', 1)[0] ?? '';
    return reject(service, 'json', value, `what JSON can express (${why})`);
  }
}

function prepareHeaders(
  service: string,
  headers: RequestHeaders | undefined,
  accept: string | undefined,
): PreparedHeaders {
  const prepared: PreparedHeaders = {};
  // Also where it is named and undefined: its caller wants none.
  if (accept !== undefined && !(headers && Object.hasOwn(headers, 'accept'))) prepared.accept = accept;
  if (!headers) return prepared;
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    const fault = headerFault(name, value);
    if (fault === 'name') reject(service, `headers.${name}`, name, 'a header name without spaces');
    if (fault === 'line_break') reject(service, `headers.${name}`, value, 'a value without line breaks');
    prepared[name.toLowerCase()] = value;
  }
  return prepared;
}
