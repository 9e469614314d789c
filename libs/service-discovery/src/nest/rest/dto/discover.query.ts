import semver from 'semver';
import {
  LoadBalancingStrategy,
  type LoadBalancingStrategyName,
  type SelectionCriteria,
} from '../../../balancing/index.js';
import { isText, Rule } from './rule.js';

const STRATEGIES: readonly unknown[] = Object.values(LoadBalancingStrategy);
const isLabel = isText(128);

/** The query of `GET /discover/:name`. */
export class DiscoverQuery {
  @Rule(
    'a semver range such as "^1.2"',
    (value) => typeof value === 'string' && value.length <= 128 && semver.validRange(value) !== null,
  )
  version?: string;

  @Rule('a tag of 1 to 128 characters; repeat the parameter for more', (value) => [value].flat().every(isLabel))
  tag?: string | string[];

  @Rule('a zone of 1 to 128 characters', isLabel)
  zone?: string;

  @Rule(`one of ${STRATEGIES.join(', ')}`, (value) => STRATEGIES.includes(value))
  strategy?: LoadBalancingStrategyName;

  @Rule('a key of 1 to 1024 characters', isText(1_024))
  key?: string;
}

export function toCriteria({ version, tag, zone }: DiscoverQuery): SelectionCriteria {
  return { version, tags: tag === undefined ? undefined : [tag].flat(), zone };
}
