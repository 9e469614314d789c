/** The built-in strategies, by the names used in options, environment variables and query parameters. */
export const LoadBalancingStrategy = {
  /** In turn; a weight of 0 excludes an instance, other weights do not matter. */
  ROUND_ROBIN: 'round_robin',
  /** In turn, in proportion to the weights, evenly interleaved. */
  WEIGHTED_ROUND_ROBIN: 'weighted_round_robin',
  /** At random, in proportion to the weights. */
  RANDOM: 'random',
  /** The instance with the fewest calls in flight for its weight. */
  LEAST_CONNECTIONS: 'least_connections',
  /** The better of two random instances, by latency, calls in flight and weight. */
  P2C_EWMA: 'p2c_ewma',
  /** The same instance for the same key, by rendezvous hashing: a change of the list moves as few keys as possible. */
  CONSISTENT_HASH: 'consistent_hash',
  /** The same instance for the same key, by a Maglev table: one lookup for any number of instances. */
  MAGLEV: 'maglev',
  /** `consistent_hash` with the client's address as the key. */
  IP_HASH: 'ip_hash',
} as const;

/** The name of a built-in strategy; what each does, {@link LoadBalancingStrategy} says. */
export type LoadBalancingStrategyName = (typeof LoadBalancingStrategy)[keyof typeof LoadBalancingStrategy];

/** The strategies that go by the load of each instance, so that slower ones get fewer calls. */
export const LOAD_STRATEGIES = [
  'least_connections',
  'p2c_ewma',
] as const satisfies readonly LoadBalancingStrategyName[];

/** The strategies that send equal keys to one instance. */
export const HASH_STRATEGIES = [
  'consistent_hash',
  'maglev',
  'ip_hash',
] as const satisfies readonly LoadBalancingStrategyName[];

/** Used when no strategy is named. */
export const DEFAULT_LOAD_BALANCING_STRATEGY = 'round_robin' satisfies LoadBalancingStrategyName;
