import { type HealthSelection } from '../../../health/index.js';
import { isServiceName, type Tier } from '../../../model/index.js';
import { DEFAULT_PAGE_LIMIT, GREATEST_PAGE_LIMIT, type Page } from '../paging.js';
import { isText, Rule } from './rule.js';

/** The query of what lists services or instances. */
export class ListQuery {
  @Rule(
    `a whole number from 1 to ${GREATEST_PAGE_LIMIT}`,
    (value) => typeof value === 'string' && /^[1-9]\d{0,4}$/.test(value) && Number(value) <= GREATEST_PAGE_LIMIT,
  )
  limit?: string;

  @Rule('the `next` of the page before', isText(256))
  after?: string;
}

/** @param pageSize how much a page shows at most, whatever the query asks for */
export function toPage({ limit, after }: ListQuery, pageSize: number): Page {
  return { limit: Math.min(limit === undefined ? DEFAULT_PAGE_LIMIT : Number(limit), pageSize), after };
}

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
