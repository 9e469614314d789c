import { InvalidConfigurationError, systemClock, systemRandom } from '../common/index.js';
import { SILENT } from '../model/index.js';
import { type LoadBalancerDeps } from './load-balancer-deps.js';
import { type LoadBalancer } from './load-balancer.js';
import {
  type LoadBalancing,
  resolveLoadBalancing,
  type NamedStrategies,
  type StrategyMaker,
} from './load-balancing.js';
import { LoadTracker } from './load-tracker.js';
import { StrategyBalancer } from './strategy-balancer.js';
import { type Strategy } from './strategy.js';

/** What `createLoadBalancer` may be given; everything has a default. */
export interface CreateLoadBalancerDeps extends Partial<Omit<LoadBalancerDeps, 'options'>> {
  /** Strategies of the user's own that may be named. @default none */
  strategies?: NamedStrategies;
}

/**
 * A load balancer for one service. It keeps state, so each service needs one of its own.
 * @param deps by default the system's clock and randomness, a load tracker that nobody else uses, no listener
 * @throws InvalidConfigurationError when there is no such strategy, an option is wrong, or the class or factory makes something else
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
  // What was made says more than the function that made it.
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

/** A class cannot be called, a factory should not be constructed; the methods on the prototype tell which it is. */
function isConstructor(make: StrategyMaker): make is Extract<StrategyMaker, new (...args: never[]) => unknown> {
  const { prototype } = make as { prototype?: Partial<LoadBalancer & Strategy> };
  if (typeof prototype?.pick === 'function' || typeof prototype?.choose === 'function') return true;
  return Function.prototype.toString.call(make).startsWith('class');
}
