import { type LoadBalancerDeps } from '../load-balancer.js';
import { type Candidate, type Strategy } from './strategy.js';
import { type LoadBalancingStrategyName } from './strategy-names.js';
import { type BuildHashTable, Keyed } from './keyed.js';
import { LeastConnections } from './least-connections.js';
import { maglevTables } from './maglev-table.js';
import { P2cEwma } from './p2c-ewma.js';
import { rendezvousTables } from './rendezvous-table.js';
import { RoundRobin } from './round-robin.js';
import { WeightedRandom } from './weighted-random.js';
import { WeightedRoundRobin } from './weighted-round-robin.js';

type MakeStrategy = (deps: LoadBalancerDeps) => Strategy;

/** The built-in strategies by name. ARCHITECTURE.md, "Where to add", has what else one needs. */
export const STRATEGIES: Readonly<Record<LoadBalancingStrategyName, MakeStrategy>> = {
  round_robin: ({ random }) => new RoundRobin(random),
  weighted_round_robin: ({ random }) => new WeightedRoundRobin(random),
  random: ({ random }) => new WeightedRandom(random),
  least_connections: ({ random, loads }) => new LeastConnections(random, loads.table),
  p2c_ewma: ({ random, clock, loads }) => new P2cEwma(random, clock, loads.table),
  consistent_hash: (deps) => keyed(rendezvousTables(), deps),
  maglev: (deps) => keyed(maglevTables(), deps),
  ip_hash: (deps) => keyed(rendezvousTables(), deps),
};

function keyed(build: BuildHashTable<Candidate>, deps: LoadBalancerDeps): Strategy {
  const { fallback, boundedLoad } = deps.options.hash;
  return new Keyed(build, STRATEGIES[fallback](deps), boundedLoad);
}
