import { type HealthSelection } from '../../../health/index.js';
import { isServiceName, type Tier } from '../../../model/index.js';
import { ListQuery } from './list.query.js';
import { isText, Rule } from './rule.js';

/** The query of `GET /health/aggregated`: which services it is about; see {@link HealthSelection}. */
export class HealthQuery extends ListQuery {
  @Rule('the name of a service; repeat the parameter for more', (value) => [value].flat().every(isServiceName))
  service?: string | string[];

  @Rule('a tag of 1 to 128 characters', isText(128))
  tag?: string;

  @Rule('a tier of 1 to 128 characters', isText(128))
  tier?: Tier;
}

export function toSelection({ service, tag, tier }: HealthQuery): HealthSelection {
  return { service, tag, tier };
}
