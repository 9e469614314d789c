import { SERVICE_NAME_PATTERN, type WatchScope } from '../../../model/index.js';
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
