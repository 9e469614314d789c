import { type Page } from '../paging.js';
import { isText, Rule } from './rule.js';

/** How many instances a page shows unless the request says otherwise; at most ten times as many. */
const DEFAULT_LIMIT = 1_000;
const GREATEST_LIMIT = 10_000;

/** The query of what lists services or instances. */
export class ListQuery {
  @Rule(
    `a whole number from 1 to ${GREATEST_LIMIT}`,
    (value) => typeof value === 'string' && /^[1-9]\d{0,4}$/.test(value) && Number(value) <= GREATEST_LIMIT,
  )
  limit?: string;

  @Rule('the `next` of the page before', isText(256))
  after?: string;
}

/** @param pageSize how many instances a page shows at most */
export function toPage({ limit, after }: ListQuery, pageSize: number): Page {
  return { limit: Math.min(limit === undefined ? DEFAULT_LIMIT : Number(limit), pageSize), after };
}
