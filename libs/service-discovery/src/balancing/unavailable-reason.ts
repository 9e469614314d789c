/** Why nobody can be picked. */
export type UnavailableReason =
  /** The service has no instances. */
  | 'no_instances'
  /** None matches version and tags. */
  | 'no_match'
  /** All that match are draining, in maintenance, of weight 0 or, where the service must not fail open, unhealthy. */
  | 'none_healthy'
  /** No larger share than `minimumHealthyShare` of those that match is healthy. */
  | 'too_few_healthy'
  /** All healthy ones are refused by `refusal`. */
  | 'none_available';

/** The same for people. */
export const WHY_UNAVAILABLE: Readonly<Record<UnavailableReason, string>> = {
  no_instances: 'there is none',
  no_match: 'none matches the version and tags asked for',
  none_healthy: 'all are unhealthy, draining, in maintenance or of weight 0',
  too_few_healthy: 'too few of its instances are healthy to bear its calls',
  none_available: 'all are refused',
};
