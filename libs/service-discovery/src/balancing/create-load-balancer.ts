import { InvalidConfigurationError, systemClock, systemRandom } from '../common/index.js';
import { SILENT } from '../model/index.js';
import { type LoadBalancer, type LoadBalancerDeps } from './load-balancer.js';
import {
  type LoadBalancing,
  resolveLoadBalancing,
  type NamedStrategies,
  type StrategyMaker,
} from './load-balancing.js';
import { LoadTracker } from './load/load-tracker.js';
import { StrategyBalancer } from './strategy-balancer.js';
import { type Strategy } from './strategies/strategy.js';

/** The optional dependencies of `createLoadBalancer`. */
export interface CreateLoadBalancerDeps extends Partial<Omit<LoadBalancerDeps, 'options'>> {
  /** Custom strategies, by the names that `loadBalancing` may use. @default none */
  strategies?: NamedStrategies;
}

/**
 * Creates a load balancer for one service. It has state, so each service needs its own.
 * @param deps by default the system clock, `Math.random`, a load tracker of its own and no event sink
 * @throws InvalidConfigurationError when the strategy is unknown, an option is invalid, or the class or factory creates
 *   something else
 */
export function createLoadBalancer(loadBalancing: LoadBalancing, deps: CreateLoadBalancerDeps = {}): LoadBalancer {
  const { name, make, options } = resolveLoadBalancing(loadBalancing, { strategies: deps.strategies });
  const clock = deps.clock ?? systemClock;
  const all: LoadBalancerDeps = {
    clock,
    random: deps.random ?? systemRandom,
    loads: deps.loads ?? new LoadTracker({ clock }),
    events: deps.events ?? SILENT,
    options,
  };
  const made: unknown = construct(make, all);
  if (isStrategy(made)) return new StrategyBalancer(name, made, all);
  if (isLoadBalancer(made)) return made;
  const expected =
    'a class or factory that makes a Strategy, with choose(), or a LoadBalancer, with update() and pick()';
  // The object that was created is more helpful in the error than the function that created it.
  throw new InvalidConfigurationError([{ path: pathOf(loadBalancing), value: made, expected }]);
}

function construct(make: StrategyMaker, deps: LoadBalancerDeps): LoadBalancer | Strategy {
  return isConstructor(make) ? new make(deps) : make(deps);
}

function pathOf(loadBalancing: LoadBalancing): string {
  return typeof loadBalancing === 'object' ? 'loadBalancing.strategy' : 'loadBalancing';
}

function isStrategy(made: unknown): made is Strategy {
  return typeof (made as Partial<Strategy> | undefined | null)?.choose === 'function';
}

function isLoadBalancer(made: unknown): made is LoadBalancer {
  const { pick, update } = (made ?? {}) as Partial<LoadBalancer>;
  return typeof pick === 'function' && typeof update === 'function';
}

/** A class cannot be called, and a factory should not be constructed. Compiled classes show by the methods of their prototype. */
function isConstructor(make: StrategyMaker): make is Extract<StrategyMaker, new (...args: never[]) => unknown> {
  const { prototype } = make as { prototype?: Partial<LoadBalancer & Strategy> };
  if (typeof prototype?.pick === 'function' || typeof prototype?.choose === 'function') return true;
  return Function.prototype.toString.call(make).startsWith('class');
}
