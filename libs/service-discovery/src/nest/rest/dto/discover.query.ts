import { LoadBalancingStrategy, type LoadBalancingStrategyName } from '../../../balancing/index.js';
import { CriteriaQuery } from './criteria.query.js';
import { Rule } from './rule.js';

const STRATEGIES: readonly unknown[] = Object.values(LoadBalancingStrategy);

/** The query of `GET /discover/:name`. */
export class DiscoverQuery extends CriteriaQuery {
  @Rule(`one of ${STRATEGIES.join(', ')}`, (value) => STRATEGIES.includes(value))
  strategy?: LoadBalancingStrategyName;
}
