import { ServiceDiscoveryError } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { encode, withQuery } from './query.js';
import { type ServiceRequest } from './transport.js';

/** Nearly every path: nothing to escape, nothing that could be an escape. It may climb, if it has two dots in a row. */
const ORDINARY_PATH = /^\/[\w\-.~!$&'()*+,;=:@/?[\]]*$/;
/** What stands in a path or query as it is; `%` is taken for an escape that the caller made. */
const PLAIN_TARGET = /^[\w\-.~!$&'()*+,;=:@/?%[\]]*$/;
const TO_ESCAPE = /[^\w\-.~!$&'()*+,;=:@/?%[\]]+/gu;
/** Control characters end a request line or a header: with them a path could smuggle in a second request. */
const CONTROL_CHARACTER = /\p{Cc}/u;
/** A segment `..`, also when escaped: it would leave the instance's base path. */
const PARENT_SEGMENT = /(?:^|[/\\])(?:\.|%2e){2}(?:$|[/\\?])/i;

/**
 * What stands in the request line: the instance's base path, the request's path and its query. Characters that have no
 * place in a URL are percent-encoded, `#` among them, since a fragment is never sent. It always starts with a slash,
 * so it can name no other host.
 * @throws ServiceDiscoveryError `INVALID_REQUEST` for a path that does not start with a slash, has control characters
 * or climbs with `..`
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
  if (PARENT_SEGMENT.test(end < 0 ? path : path.slice(0, end))) return 'climbs out of the base path with ".."';
  return undefined;
}
