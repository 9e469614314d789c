import { type LoadBalancer } from '../load-balancer.js';
import { type LoadBalancerDeps } from '../load-balancer-deps.js';
import { StrategyBalancer } from '../strategy-balancer.js';
import { type Candidate, type Strategy } from '../strategy.js';
import { type LoadBalancingStrategyName } from '../strategy-names.js';
import { LeastConnections } from './least-connections.js';
import { P2cEwma } from './p2c-ewma.js';
import { RoundRobin } from './round-robin.js';
import { WeightedRandom } from './weighted-random.js';
import { WeightedRoundRobin } from './weighted-round-robin.js';

/** Every built-in strategy by its name: a new one is a file of its own, a name and a line here. */
export const STRATEGIES: Readonly<Record<LoadBalancingStrategyName, (deps: LoadBalancerDeps) => LoadBalancer>> = {
  round_robin: (deps) => balance(new RoundRobin(deps.random), deps),
  weighted_round_robin: (deps) => balance(new WeightedRoundRobin(deps.random), deps),
  random: (deps) => balance(new WeightedRandom(deps.random), deps),
  least_connections: (deps) => balance(new LeastConnections(deps.random), deps),
  p2c_ewma: (deps) => balance(new P2cEwma(deps.random, deps.clock), deps),
};

function balance<C extends Candidate>(strategy: Strategy<C>, { loads }: LoadBalancerDeps): LoadBalancer {
  return new StrategyBalancer(strategy, loads);
}
