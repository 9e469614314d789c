import { findCriteriaProblems, type SelectionCriteria } from '../balancing/index.js';
import {
  type Cancellation,
  type Duration,
  invalidRequest,
  isHopByHop,
  messageOf,
  namesInConnection,
} from '../common/index.js';
import { type ServiceInstance, type ServiceName, type ServiceNames, type ServicePath } from '../model/index.js';
import { isIdempotentMethod } from '../resilience/index.js';
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

/** A request to a service. Undefined fields count as absent. */
export interface ServiceCallRequest<Path extends string = string> {
  /** Upper or lower case. Only idempotent methods are retried, unless there is an `idempotencyKey`. @default 'GET' */
  method?: HttpMethod | Lowercase<HttpMethod> | undefined;
  /** Starts with a slash; appended to the instance's base path. */
  path: Path;
  /** Appended to a query in `path`; null and undefined values are left out. */
  query?: Query | undefined;
  /** By name; undefined values are left out. */
  headers?: RequestHeaders | undefined;
  /** Sent as JSON, with `content-type: application/json`. Not together with `body`. */
  json?: unknown;
  /** Sent unchanged. A stream can be sent only once, so such a call is never retried. Not together with `json`. */
  body?: RequestBody | undefined;
  /**
   * Timeout of the whole call: all attempts, the waits between them and, if the library reads it, the body.
   * @default that of the options
   */
  timeout?: Duration | undefined;
  /** Timeout of one attempt. @default that of the options */
  attemptTimeout?: Duration | undefined;
  /** Cancels the call immediately; it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** Cancels the call like `signal`, without the cost of an `AbortSignal`. Takes precedence over `signal`. */
  cancellation?: Cancellation | undefined;
  /** Sent as `idempotency-key`; lets a POST or PATCH be retried. A header of that name alone does not. */
  idempotencyKey?: string | undefined;
  /** Filters the instances that may be called. */
  criteria?: SelectionCriteria | undefined;
  /** Key for hash strategies. */
  key?: string | undefined;
  /** Address of the client behind the call, for strategies that use it. It is not sent. */
  clientIp?: string | undefined;
  /** The path with its parameters as names, such as `/users/:id`, which names the spans of traces. It is not sent. */
  template?: string | undefined;
}

/** The name of a service, and a request to a path of it. */
export type ServiceCallTo = {
  [Name in ServiceName]: [service: Name, request: ServiceCallRequest<PathInList<ServicePath<Name>>>];
}[ServiceName];

/** Beside a `string` of another service, the compiler would take a template literal for a `string`, which fits no pattern. */
type PathInList<Path> = keyof ServiceNames extends never ? Path : string extends Path ? `/${string}` : Path;

/** The names of services that are listed without their paths. */
export type ServiceNameOfAnyPath = {
  [Name in ServiceName]: string extends ServicePath<Name> ? Name : never;
}[ServiceName];

/** A response and the instance that sent it. */
export interface ServiceCallResponse extends ServiceResponse {
  readonly body: ResponseBody;
  readonly instance: ServiceInstance;
  /** Number of attempts, including this one. */
  readonly attempts: number;
  /** Age of a last good response that replaces a failed one, in milliseconds. */
  readonly staleMs?: number;
}

/**
 * A validated `ServiceRequest`, ready to be sent any number of times.
 *
 * A class, as is all that every call keeps while it waits: when V8 sees most objects of a literal survive, as in a
 * burst of calls at the start, it allocates all later ones in the old generation, where each keeps what it refers to
 * alive until the next major garbage collection.
 */
export class PreparedRequest {
  constructor(
    readonly method: HttpMethod,
    readonly path: string,
    readonly query: ServiceRequest['query'],
    /** Lower-case names. Not shared with other calls, so stages may add to them. */
    readonly headers: PreparedHeaders,
    readonly body: ServiceRequest['body'],
    /** Whether sending it twice has the same effect as once. */
    readonly idempotent: boolean,
    /** False for a stream, which the first attempt consumes. */
    readonly replayable: boolean,
  ) {}
}

type PreparedHeaders = Record<string, string | number | readonly string[]>;

const METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] satisfies HttpMethod[];
/** Matches nearly all paths, more cheaply than the full character classes. */
const PLAIN_PATH = /^\/[!"$-~]*$/;
const PATH = /^\/[^\s\p{Cc}#]*$/u;
const BODY_EXPECTED =
  'a text, a Buffer or Uint8Array, a stream or another async iterable (an object is sent as json, in place of body)';

/** What a call expects where its arguments are in another order. */
export const IN_ORDER = "the request before the schema, as in ('users', { path: '/' }, UserDto)";

/**
 * Validates a request and derives what follows from it.
 * @param accept default of the `accept` header
 * @throws ServiceDiscoveryError `INVALID_REQUEST` naming the field, before anything is sent
 */
export function prepareRequest(service: string, request: ServiceCallRequest, accept?: string): PreparedRequest {
  const { path, query, json, criteria, idempotencyKey, template } = request;
  const method = methodOf(service, request);
  if (path === undefined && '~standard' in request) reject(service, 'request', 'a schema', IN_ORDER);
  if (typeof path !== 'string' || !(PLAIN_PATH.test(path) || PATH.test(path))) {
    reject(
      service,
      'path',
      withoutQuery(path),
      'a path that starts with "/" and has its special characters percent-encoded',
    );
  }
  if (template !== undefined && typeof template !== 'string') {
    reject(service, 'template', template, 'a path such as "/users/:id"');
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
  // Not by a header: it may be one that a client sent, handed on with the others.
  const idempotent = isIdempotentMethod(method) || idempotencyKey !== undefined;
  return new PreparedRequest(method, path, query, headers, body, idempotent, replayable);
}

/** Removes the query, which may contain secrets. */
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
  // An `accept` of undefined in the request means: send none.
  if (accept !== undefined && !(headers && Object.hasOwn(headers, 'accept'))) prepared.accept = accept;
  if (!headers) return prepared;
  let connection: unknown;
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) continue;
    const fault = headerFault(name, value);
    if (fault === 'name') reject(service, `headers.${name}`, name, 'a header name without spaces');
    if (fault === 'line_break') reject(service, `headers.${name}`, '***', 'a value without line breaks');
    const lowerCase = name.toLowerCase();
    if (lowerCase === 'connection') connection = value;
    // A request that this process received may be handed on with all of its headers: those of its connection end here.
    if (!isHopByHop(lowerCase)) prepared[lowerCase] = value;
  }
  if (connection !== undefined) for (const name of namesInConnection(connection)) delete prepared[name];
  return prepared;
}

/** @throws ServiceDiscoveryError `INVALID_REQUEST` */
export function reject(service: string | undefined, field: string, value: unknown, expected: string): never {
  throw invalidRequest([{ path: field, value, expected }], service);
}

/** The type of a value, for error messages about values that may contain secrets. */
export function kindOf(value: unknown): unknown {
  const isPlain = typeof value === 'number' || typeof value === 'boolean' || value === null || value === undefined;
  return isPlain ? value : Object.prototype.toString.call(value);
}
