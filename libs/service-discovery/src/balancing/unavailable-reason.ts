/** Why nobody can be picked. */
export type UnavailableReason =
  /** The service has no instances. */
  | 'no_instances'
  /** None matches version and tags. */
  | 'no_match'
  /** All that match are unhealthy, draining, in maintenance or have weight 0. */
  | 'none_healthy'
  /** A smaller share than `minimumHealthyShare` of those that match is healthy. */
  | 'too_few_healthy'
  /** All healthy ones are refused by `refusal`. */
  | 'none_available';
