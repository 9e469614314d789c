import validRange from 'semver/ranges/valid.js';
import { type SelectionCriteria } from '../../../balancing/index.js';
import { type ServiceCallRequest } from '../../../communicator/index.js';
import { isText, Rule } from './rule.js';

const isLabel = isText(128);

/** Which instances are meant, and what hash strategies go by. */
export class CriteriaQuery {
  @Rule(
    'a semver range such as "^1.2"',
    (value) => typeof value === 'string' && value.length <= 128 && validRange(value) !== null,
  )
  version?: string;

  @Rule('a tag of 1 to 128 characters; repeat the parameter for more', (value) => [value].flat().every(isLabel))
  tag?: string | string[];

  @Rule('a zone of 1 to 128 characters', isLabel)
  zone?: string;

  @Rule('a key of 1 to 1024 characters', isText(1_024))
  key?: string;

  @Rule('the address of a client, of 1 to 128 characters', isLabel)
  client_ip?: string;
}

export function toCriteria({ version, tag, zone }: CriteriaQuery): SelectionCriteria {
  return { version, tags: tag === undefined ? undefined : [tag].flat(), zone };
}

/** The query of `GET /discover/:name`. */
export class DiscoverQuery extends CriteriaQuery {
  /** Which strategies there are, an app may say. */
  @Rule('the name of a strategy', isText(128))
  strategy?: string;
}

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
