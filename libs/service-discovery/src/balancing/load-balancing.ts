import {
  InvalidConfigurationError,
  isRecord,
  OptionValidator,
  suggest,
  systemClock,
  systemRandom,
} from '../common/index.js';
import { SILENT } from '../model/index.js';
import { type LoadBalancer, type LoadBalancerDeps } from './load-balancer.js';
import {
  LOAD_BALANCING_OPTIONS,
  type LoadBalancingOptions,
  type ResolvedLoadBalancingOptions,
} from './load-balancing-options.js';
import { LoadTracker } from './load/load-tracker.js';
import { STRATEGIES } from './strategies/index.js';
import { type Strategy } from './strategies/strategy.js';
import { DEFAULT_LOAD_BALANCING_STRATEGY, type LoadBalancingStrategyName } from './strategies/strategy-names.js';
import { StrategyBalancer } from './strategy-balancer.js';

/** Creates a custom strategy, or a whole load balancer, which then has to apply the options itself. */
export type LoadBalancerFactory = (deps: LoadBalancerDeps) => LoadBalancer | Strategy;

/** A class that is a custom strategy or load balancer. */
export type LoadBalancerConstructor = new (deps: LoadBalancerDeps) => LoadBalancer | Strategy;

type StrategyMaker = LoadBalancerFactory | LoadBalancerConstructor;

/**
 * Custom strategies, by the names used for them in options, environment variables and query parameters.
 * {@link CustomStrategies} tells the compiler these names.
 */
export type NamedStrategies = Readonly<Record<string, StrategyMaker>>;

/**
 * The names of an app's custom strategies, so that the compiler accepts them and rejects typos.
 *
 * @example
 * declare module 'nest-service-discovery' {
 *   interface CustomStrategies {
 *     nearest: true;
 *   }
 * }
 */
export interface CustomStrategies {}

/**
 * The name of a built-in strategy or of one of {@link CustomStrategies}. Pass a name that is only known at run time
 * `as StrategyName`; it is validated there.
 */
export type StrategyName = keyof (Record<LoadBalancingStrategyName, unknown> & CustomStrategies);

/** A strategy: the name of a built-in one or of one of {@link CustomStrategies}, or a factory or class. */
export type LoadBalancingStrategyChoice = StrategyName | StrategyMaker;

/** A strategy and its options. */
export interface LoadBalancingSettings extends Partial<LoadBalancingOptions> {
  /** @default 'round_robin' */
  strategy?: LoadBalancingStrategyChoice;
}

/** How to balance: a strategy (a name, or a custom factory or class), or one with options. */
export type LoadBalancing = LoadBalancingStrategyChoice | LoadBalancingSettings;

/** A {@link LoadBalancing} with the strategy looked up and every default filled in. */
interface ResolvedLoadBalancing {
  readonly name: string;
  readonly make: StrategyMaker;
  readonly options: ResolvedLoadBalancingOptions;
}

/**
 * Validates a {@link LoadBalancing} and fills in the defaults.
 * @throws InvalidConfigurationError naming everything that is wrong: an unknown strategy, invalid options
 */
export function resolveLoadBalancing(
  loadBalancing: LoadBalancing,
  { path = 'loadBalancing', strategies = {} }: { path?: string; strategies?: NamedStrategies } = {},
): ResolvedLoadBalancing {
  const { strategy, ...options } = settingsOf(loadBalancing);
  const check = new OptionValidator(path);
  const make = typeof strategy === 'string' ? findStrategy(strategy, strategies) : strategy;
  if (typeof make !== 'function') {
    check.problem(loadBalancing === strategy ? '' : 'strategy', strategy, expectedLoadBalancing(strategy, strategies));
  }
  const resolved = check.gather(() => LOAD_BALANCING_OPTIONS.resolve(options, path));
  if (typeof make !== 'function' || resolved === undefined) throw new InvalidConfigurationError(check.problems);
  return { name: strategyName(loadBalancing), make, options: resolved };
}

/**
 * Merges two settings option by option: a strategy or an option that `over` does not set keeps its value from `base`.
 */
export function mergeLoadBalancing(
  base: LoadBalancing | undefined,
  over: LoadBalancing | undefined,
): LoadBalancing | undefined {
  if (over === undefined || base === undefined) return over ?? base;
  if (!isSettings(over)) return isSettings(base) ? { ...base, strategy: over } : over;
  const merged: LoadBalancingSettings = isSettings(base) ? { ...base } : { strategy: base };
  for (const [option, value] of Object.entries(over) as [string, unknown][]) {
    if (value !== undefined) Object.assign(merged, { [option]: value });
  }
  return merged;
}

/** Whether a value, such as a query parameter, is the name of a built-in or custom strategy. */
export function isStrategyName(name: unknown, strategies: NamedStrategies = {}): name is StrategyName {
  return typeof name === 'string' && findStrategy(name, strategies) !== undefined;
}

/** The name of a strategy for events and views: its own, or that of the custom class or function. */
export function strategyName(loadBalancing: LoadBalancing): string {
  const { strategy } = settingsOf(loadBalancing);
  if (typeof strategy === 'string') return strategy;
  return typeof strategy !== 'function' || strategy.name === '' ? 'custom' : strategy.name;
}

function expectedLoadBalancing(given: unknown, strategies: NamedStrategies): string {
  const names = [...Object.keys(STRATEGIES), ...Object.keys(strategies)];
  const meant = typeof given === 'string' ? suggest(given, names) : '';
  // Without a near match, the hint lists all names, which the message already does.
  const hint = meant.startsWith(' (') ? meant : '';
  return `one of ${names.join(', ')}, or a Strategy or LoadBalancer class or factory, or options${hint}`;
}

/** Custom names come first, so that a built-in strategy can be replaced. */
function findStrategy(name: string, strategies: NamedStrategies): StrategyMaker | undefined {
  if (Object.hasOwn(strategies, name)) return strategies[name];
  return Object.hasOwn(STRATEGIES, name) ? STRATEGIES[name as LoadBalancingStrategyName] : undefined;
}

function settingsOf(loadBalancing: LoadBalancing): LoadBalancingSettings {
  if (!isSettings(loadBalancing)) return { strategy: loadBalancing };
  const { strategy = DEFAULT_LOAD_BALANCING_STRATEGY, ...options } = loadBalancing;
  return { ...options, strategy };
}

function isSettings(loadBalancing: LoadBalancing): loadBalancing is LoadBalancingSettings {
  return isRecord(loadBalancing);
}

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
