import { type ServiceCallRequest } from '../../../communicator/index.js';
import { CriteriaQuery, toCriteria } from './criteria.query.js';
import { Rule } from './rule.js';

/** The query of `GET /explain/:name`: what the call would be. */
export class ExplainQuery extends CriteriaQuery {
  @Rule('a path of up to 2048 characters that starts with "/", percent-encoded', isPath)
  path?: string;
}

export function toRequest({ path = '/', key, client_ip: clientIp, ...criteria }: ExplainQuery): ServiceCallRequest {
  return { path, key, clientIp, criteria: toCriteria(criteria) };
}

function isPath(value: unknown): boolean {
  return typeof value === 'string' && value.length <= 2_048 && /^\/[^\s\p{Cc}#]*$/u.test(value);
}
