/** The built-in strategies. Each value is what stands in options, environment variables and query parameters. */
export const LoadBalancingStrategy = {
  /** In turn; a weight of 0 takes an instance out, other weights do not matter. */
  ROUND_ROBIN: 'round_robin',
  /** In turn, each as often as its weight says, spread out evenly. */
  WEIGHTED_ROUND_ROBIN: 'weighted_round_robin',
  /** By chance, in proportion to the weights. */
  RANDOM: 'random',
  /** The one with the fewest calls in flight for its weight. */
  LEAST_CONNECTIONS: 'least_connections',
  /** The better of two taken by chance, by latency, calls in flight and weight. */
  P2C_EWMA: 'p2c_ewma',
  /** The same for the same key, by rendezvous hashing: a change moves no key that it need not move. */
  CONSISTENT_HASH: 'consistent_hash',
  /** The same for the same key, by Maglev's table: at one step for any number of instances. */
  MAGLEV: 'maglev',
  /** `consistent_hash` with the client's address as the key. */
  IP_HASH: 'ip_hash',
} as const;

export type LoadBalancingStrategyName = (typeof LoadBalancingStrategy)[keyof typeof LoadBalancingStrategy];

/** What is taken where none is named. */
export const DEFAULT_LOAD_BALANCING_STRATEGY = 'round_robin' satisfies LoadBalancingStrategyName;
