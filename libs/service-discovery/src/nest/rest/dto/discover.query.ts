import { CriteriaQuery } from './criteria.query.js';
import { isText, Rule } from './rule.js';

/** The query of `GET /discover/:name`. */
export class DiscoverQuery extends CriteriaQuery {
  /** Which strategies there are, an app may say. */
  @Rule('the name of a strategy', isText(128))
  strategy?: string;
}
