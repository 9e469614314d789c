import validRange from 'semver/ranges/valid.js';
import { type SelectionCriteria } from '../../../balancing/index.js';
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
