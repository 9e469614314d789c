import { HEADER_NAME, ServiceDiscoveryError } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { type Query, type QueryValue, type ServiceRequest } from './transport.js';

/** Matches almost every path: nothing to escape and no escapes. It may still contain "..". */
const ORDINARY_PATH = /^\/[\w\-.~!$&'()*+,;=:@/?[\]]*$/;
/** Characters that are sent as they are. `%` counts as an escape by the caller. */
const PLAIN_TARGET = /^[\w\-.~!$&'()*+,;=:@/?%[\]]*$/;
const TO_ESCAPE = /[^\w\-.~!$&'()*+,;=:@/?%[\]]+/gu;
/** Control characters end a request line or a header, so a path could smuggle in a second request. */
const CONTROL_CHARACTER = /\p{Cc}/u;
/** A `..` segment, which would leave the base path of the instance: servers and proxies may unescape dots and slashes first. */
const PARENT_SEGMENT = /(?:^|[/\\]|%2f|%5c)(?:\.|%2e){2}(?:$|[/\\?]|%2f|%5c)/i;

/**
 * The request target: the base path of the instance, the path of the request and its query. Characters that are not
 * allowed in a URL are percent-encoded, including `#`, since fragments are never sent. The target always starts with a
 * slash, so it cannot name another host.
 * @throws ServiceDiscoveryError `INVALID_REQUEST` for a path without a leading slash, with control characters, or with
 *   `..` segments
 */
export function targetOf(to: ServiceInstance, request: Pick<ServiceRequest, 'path' | 'query'>): string {
  const { path, query } = request;
  if (typeof path === 'string' && ORDINARY_PATH.test(path) && !path.includes('..')) {
    return withQuery(to.path + path, query);
  }
  const problem = findPathProblem(path);
  if (problem !== undefined) {
    throw new ServiceDiscoveryError('INVALID_REQUEST', `The request path ${JSON.stringify(path)} ${problem}`, {
      service: to.serviceName,
      instanceId: to.instanceId,
    });
  }
  const plain = PLAIN_TARGET.test(path) ? path : path.replace(TO_ESCAPE, encode);
  return withQuery(to.path + plain, query);
}

function findPathProblem(path: unknown): string | undefined {
  if (typeof path !== 'string' || !path.startsWith('/')) return 'does not start with "/"';
  if (CONTROL_CHARACTER.test(path)) return 'has control characters';
  const end = path.indexOf('?');
  if (PARENT_SEGMENT.test(end < 0 ? path : path.slice(0, end))) return 'leaves the base path with ".."';
  return undefined;
}

/**
 * Appends a query to a path, which may already have one. Lists repeat their name; null and undefined are omitted.
 * @throws ServiceDiscoveryError `INVALID_REQUEST` for a string that is not valid Unicode
 */
export function withQuery(path: string, query: Query | undefined): string {
  if (query === undefined) return path;
  let text = '';
  const append = (name: string, value: QueryValue): void => {
    if (value === undefined || value === null) return;
    text += `${text === '' ? '' : '&'}${encode(name)}=${encode(String(value))}`;
  };
  for (const [name, value] of Object.entries(query)) {
    if (isList(value)) for (const item of value) append(name, item);
    else append(name, value);
  }
  if (text === '') return path;
  if (!path.includes('?')) return `${path}?${text}`;
  return path.endsWith('?') || path.endsWith('&') ? path + text : `${path}&${text}`;
}

function isList(value: Query[string]): value is readonly QueryValue[] {
  return Array.isArray(value);
}

/** Percent-encodes a string as UTF-8. Half of a surrogate pair has no UTF-8 encoding and is an error of the caller. */
function encode(text: string): string {
  try {
    return encodeURIComponent(text);
  } catch (cause) {
    throw new ServiceDiscoveryError(
      'INVALID_REQUEST',
      'The path or query contains a string that is not valid Unicode',
      {
        cause,
      },
    );
  }
}

/** Characters that would let a value add another header or request. */
const LINE_BREAK = /[\r\n\0]/;

/** Why a header cannot be sent. */
type HeaderFault = 'name' | 'line_break';

/** @param value a string, a value that is converted to one, or a list of them */
export function headerFault(name: string, value: unknown): HeaderFault | undefined {
  if (!HEADER_NAME.test(name)) return 'name';
  const lines: readonly unknown[] = Array.isArray(value) ? value : [value];
  return lines.some((line) => LINE_BREAK.test(String(line))) ? 'line_break' : undefined;
}
