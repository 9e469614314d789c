import { type SelectionCriteria } from '../balancing/index.js';
import { invalidRequest, isSignal, KnownNames } from '../common/index.js';
import { assertServiceName } from '../model/index.js';
import { COMMUNICATOR_OPTIONS } from './options/index.js';
import { IN_ORDER, kindOf, reject, type ServiceCallRequest } from './request.js';

const FIELDS: Readonly<Record<keyof ServiceCallRequest, true>> = {
  method: true,
  path: true,
  query: true,
  headers: true,
  json: true,
  body: true,
  timeout: true,
  attemptTimeout: true,
  signal: true,
  cancellation: true,
  idempotencyKey: true,
  criteria: true,
  key: true,
  clientIp: true,
  template: true,
};
const FIELD_NAMES = Object.keys(FIELDS) as readonly (keyof ServiceCallRequest)[];

const MISPLACED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    COMMUNICATOR_OPTIONS.names.map((name) => [name, 'no field of this name (it is an option of withOptions)']),
  ),
  ...Object.fromEntries(
    ['retries', 'maxRetries', 'maxAttempts'].map((name) => [
      name,
      'no field of this name (withOptions({ retry: { maxAttempts: 2 } }) makes a communicator that has it)',
    ]),
  ),
  ...Object.fromEntries(
    (['version', 'tags', 'protocol', 'zone'] satisfies (keyof SelectionCriteria)[]).map((name) => [
      name,
      `no field of this name (did you mean "criteria.${name}"?)`,
    ]),
  ),
  ...Object.fromEntries(
    ['fallback', 'fallbackService'].map((name) => [name, 'no field of this name (callServiceWithFallback takes it)']),
  ),
  ...Object.fromEntries(
    ['schema', 'dto', 'responseSchema'].map((name) => [
      name,
      'no field of this name (callServiceJson takes it as its third argument)',
    ]),
  ),
  responseType:
    'no field of this name (callServiceJson reads JSON, and callService has body.text(), body.json() and body.stream)',
  baseURL: 'no field of this name (the name of the service stands in its place)',
};

const SERVICE_EXPECTED = "the name of a service, and the request after it, as in ('users', { path: '/' })";
const QUERY_EXPECTED = 'an object such as { page: 2 } (Object.fromEntries makes one of URLSearchParams)';
const HEADERS_EXPECTED = 'an object such as { "x-trace": "abc" } (Object.fromEntries makes one of Headers)';
const CANCELLATION_EXPECTED = 'a Cancellation (an AbortSignal is given as signal)';

/** Fields of a {@link ServiceCallRequest}. */
export const REQUEST_NAMES = new KnownNames(FIELD_NAMES, MISPLACED);

/**
 * Checks for mistakes of JavaScript callers before any field is read.
 * @throws ServiceDiscoveryError `INVALID_REQUEST` if `service` is not a service name or `request` not an object
 */
export function checkCall(service: unknown, request: unknown): void {
  if (typeof service === 'object' && service !== null) reject(undefined, 'service', service, SERVICE_EXPECTED);
  assertServiceName(service, 'service');
  checkRequest(service, request);
}

/**
 * Checks the field names of a request, and its signals. Runs at every call, so it allocates only on errors.
 * @param names allowed fields @default those of a single call
 * @param path prefix of field names in errors
 */
export function checkRequest(
  service: string | undefined,
  request: unknown,
  names = REQUEST_NAMES,
  path = '',
): asserts request is Partial<ServiceCallRequest> {
  if (typeof request === 'function') reject(service, path || 'request', `class ${request.name}`, IN_ORDER);
  if (typeof request !== 'object' || request === null) {
    reject(service, path || 'request', request, "an object such as { path: '/' }");
  }
  const problems = names.problemsOf(request, path);
  if (problems.length > 0 && '~standard' in request) reject(service, path || 'request', 'a schema', IN_ORDER);
  if (problems.length > 0) throw invalidRequest(problems, service);
  const { signal, cancellation, query, headers } = request as Partial<ServiceCallRequest>;
  if (!isAbsent(signal) && !isSignal(signal)) reject(service, fieldIn(path, 'signal'), signal, 'an AbortSignal');
  if (!isAbsent(cancellation) && typeof cancellation.follow !== 'function') {
    reject(service, fieldIn(path, 'cancellation'), cancellation, CANCELLATION_EXPECTED);
  }
  if (query !== undefined && !holdsByName(query))
    reject(service, fieldIn(path, 'query'), kindOf(query), QUERY_EXPECTED);
  if (!isAbsent(headers) && !holdsByName(headers)) {
    reject(service, fieldIn(path, 'headers'), kindOf(headers), HEADERS_EXPECTED);
  }
}

/**
 * Copies the request's fields out of an object that has more of them. Reads them by name, since they may be getters of
 * a class.
 */
export function requestIn(given: Partial<ServiceCallRequest>): Partial<ServiceCallRequest> {
  const request: Record<string, unknown> = {};
  for (const name of FIELD_NAMES) if (name in given) request[name] = given[name];
  return request;
}

/** JavaScript callers use null for "absent". */
function isAbsent<T>(value: T | undefined): value is undefined {
  return value === undefined || (value as unknown) === null;
}

/** Whether an object's own fields are its content, unlike a list, map, `Headers` or `URLSearchParams`. */
function holdsByName(value: { readonly entries?: unknown } | null): boolean {
  return typeof value === 'object' && value !== null && typeof value.entries !== 'function';
}

function fieldIn(path: string, field: string): string {
  return path === '' ? field : `${path}.${field}`;
}
