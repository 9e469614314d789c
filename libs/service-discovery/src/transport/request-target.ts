import { ServiceDiscoveryError } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { encode, withQuery } from './query.js';
import { type ServiceRequest } from './transport.js';

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
