import { isServiceName, SERVICE_NAME_PATTERN, type WatchScope } from '../../../model/index.js';
import { Rule } from './rule.js';

/** The query of `GET /watch`. */
export class WatchQuery {
  /** Left out: all; empty: none. */
  @Rule(
    'names of services with commas between them',
    (value) => typeof value === 'string' && namesIn(value).every((name) => SERVICE_NAME_PATTERN.test(name)),
  )
  services?: string;

  @Rule('true or false', (value) => value === 'true' || value === 'false')
  renewals?: string;
}

export function toScope({ services, renewals }: WatchQuery): WatchScope {
  return { services: services === undefined ? undefined : namesIn(services), renewals: renewals === 'true' };
}

function namesIn(services: string): string[] {
  return services === '' ? [] : services.split(',');
}

/** As many as a process may follow: with names of the greatest length they fill a body of 3 MB. */
const NAMES_LIMIT = 20_000;

/** The body of `POST /watch`, for more names than a URL can hold. */
export class WatchDto {
  @Rule(
    `a list of at most ${NAMES_LIMIT} names of services`,
    (value) => Array.isArray(value) && value.length <= NAMES_LIMIT && value.every(isServiceName),
    { optional: false },
  )
  services!: string[];

  @Rule('true or false', (value) => typeof value === 'boolean')
  renewals?: boolean;
}
