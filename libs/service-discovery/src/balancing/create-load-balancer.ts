import { InvalidConfigurationError, systemClock, systemRandom } from '../common/index.js';
import { type LoadBalancerDeps } from './load-balancer-deps.js';
import { type LoadBalancer } from './load-balancer.js';
import { LoadTracker } from './load-tracker.js';
import { STRATEGIES } from './strategies/index.js';
import { type LoadBalancingStrategyName } from './strategy-names.js';

/** Makes a load balancer of the user's own. */
export type LoadBalancerFactory = (deps: LoadBalancerDeps) => LoadBalancer;

/** A class of the user's own. */
export type LoadBalancerConstructor = new (deps: LoadBalancerDeps) => LoadBalancer;

/** How to balance: a built-in strategy's name, or a factory or class of the user's own. */
export type LoadBalancing = LoadBalancingStrategyName | LoadBalancerFactory | LoadBalancerConstructor;

/**
 * A load balancer for one service. It keeps state, so each service needs one of its own.
 * @param deps by default the system's clock and randomness, and a load tracker that nobody else uses
 * @throws InvalidConfigurationError when there is no such strategy
 */
export function createLoadBalancer(strategy: LoadBalancing, deps: Partial<LoadBalancerDeps> = {}): LoadBalancer {
  const clock = deps.clock ?? systemClock;
  const all: LoadBalancerDeps = {
    clock,
    random: deps.random ?? systemRandom,
    loads: deps.loads ?? new LoadTracker({ clock }),
  };
  if (isConstructor(strategy)) return new strategy(all);
  if (typeof strategy === 'function') return strategy(all);
  if (!isStrategyName(strategy)) {
    const problem = { path: 'loadBalancing', value: strategy, expected: expectedLoadBalancing(strategy) };
    throw new InvalidConfigurationError([problem]);
  }
  return STRATEGIES[strategy](all);
}

/** Whether a text, such as one from a query, names a built-in strategy. */
export function isStrategyName(name: unknown): name is LoadBalancingStrategyName {
  return typeof name === 'string' && Object.hasOwn(STRATEGIES, name);
}

/** The names that the documentation gives to strategies that are still to come. */
const NOT_YET_BUILT_IN: ReadonlySet<unknown> = new Set(['consistent_hash', 'maglev', 'ip_hash']);

/** What is allowed in place of a value that is no {@link LoadBalancing}, as a noun phrase for an error. */
export function expectedLoadBalancing(value: unknown): string {
  const expected = `one of ${Object.keys(STRATEGIES).join(', ')}, or a LoadBalancer class or factory`;
  return NOT_YET_BUILT_IN.has(value) ? `${expected} (${String(value)} is not in this release)` : expected;
}

/** What to call a strategy in events and on the dashboard: its name, or that of the user's class or function. */
export function strategyName(strategy: LoadBalancing): string {
  if (typeof strategy === 'string') return strategy;
  return strategy.name === '' ? 'custom' : strategy.name;
}

/** A class cannot be called, a factory should not be constructed; the methods on the prototype tell which it is. */
function isConstructor(strategy: LoadBalancing): strategy is LoadBalancerConstructor {
  if (typeof strategy !== 'function') return false;
  const prototype = (strategy as { prototype?: Partial<LoadBalancer> }).prototype;
  return typeof prototype?.pick === 'function' || Function.prototype.toString.call(strategy).startsWith('class');
}
