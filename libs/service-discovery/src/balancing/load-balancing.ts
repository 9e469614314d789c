import { InvalidConfigurationError, isRecord, OptionValidator, suggest } from '../common/index.js';
import { type LoadBalancerDeps } from './load-balancer-deps.js';
import { type LoadBalancer } from './load-balancer.js';
import { type LoadBalancingOptions } from './load-balancing-options.js';
import { type ResolvedLoadBalancingOptions, resolveLoadBalancingOptions } from './resolve-load-balancing-options.js';
import { STRATEGIES } from './strategies/index.js';
import { type Strategy } from './strategy.js';
import { DEFAULT_LOAD_BALANCING_STRATEGY, type LoadBalancingStrategyName } from './strategy-names.js';

/** Makes a strategy of the user's own, or a whole load balancer, which has to mind the options by itself. */
export type LoadBalancerFactory = (deps: LoadBalancerDeps) => LoadBalancer | Strategy;

/** A class of the user's own. */
export type LoadBalancerConstructor = new (deps: LoadBalancerDeps) => LoadBalancer | Strategy;

export type StrategyMaker = LoadBalancerFactory | LoadBalancerConstructor;

/**
 * Strategies of the user's own, by the names that stand for them in options, variables and queries. {@link CustomStrategies}
 * tells the compiler of the names.
 */
export type NamedStrategies = Readonly<Record<string, StrategyMaker>>;

/**
 * The names of the app's own strategies, so that the compiler accepts them, and refuses a typo.
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
 * The name of a built-in strategy, or one of {@link CustomStrategies}. A name that is only known at run time is given
 * `as StrategyName`: it is checked where it is taken.
 */
export type StrategyName = keyof (Record<LoadBalancingStrategyName, unknown> & CustomStrategies);

/** A strategy: the name of a built-in one, or of one of {@link CustomStrategies}, or a factory or class. */
export type LoadBalancingStrategyChoice = StrategyName | StrategyMaker;

/** A strategy with options. */
export interface LoadBalancingSettings extends Partial<LoadBalancingOptions> {
  /** @default 'round_robin' */
  strategy?: LoadBalancingStrategyChoice;
}

/** How to balance: a strategy, by its name or made by a factory or class of the user's own, or one with options. */
export type LoadBalancing = LoadBalancingStrategyChoice | LoadBalancingSettings;

/** What a {@link LoadBalancing} means. */
export interface ResolvedLoadBalancing {
  readonly name: string;
  readonly make: StrategyMaker;
  readonly options: ResolvedLoadBalancingOptions;
}

/**
 * Checks how to balance, and fills in the defaults.
 * @throws InvalidConfigurationError naming everything wrong: an unknown strategy, options
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
  const resolved = check.gather(() => resolveLoadBalancingOptions(options, path));
  if (typeof make !== 'function' || resolved === undefined) throw new InvalidConfigurationError(check.problems);
  return { name: strategyName(loadBalancing), make, options: resolved };
}

/**
 * Lays one way to balance over another, option by option: what says nothing of the strategy, or of an option, leaves
 * it as it is.
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

/** Whether a text, such as one from a query, names a strategy: a built-in one, or one of the user's own. */
export function isStrategyName(name: unknown, strategies: NamedStrategies = {}): name is StrategyName {
  return typeof name === 'string' && findStrategy(name, strategies) !== undefined;
}

/** What to call a strategy in events and on the dashboard: its name, or that of the user's class or function. */
export function strategyName(loadBalancing: LoadBalancing): string {
  const { strategy } = settingsOf(loadBalancing);
  if (typeof strategy === 'string') return strategy;
  return typeof strategy !== 'function' || strategy.name === '' ? 'custom' : strategy.name;
}

function expectedLoadBalancing(given: unknown, strategies: NamedStrategies): string {
  const names = [...Object.keys(STRATEGIES), ...Object.keys(strategies)];
  const meant = typeof given === 'string' ? suggest(given, names) : '';
  // All names stand here already, where none is near.
  const hint = meant.startsWith(' (') ? meant : '';
  return `one of ${names.join(', ')}, or a Strategy or LoadBalancer class or factory, or options${hint}`;
}

/** Names of the user's own come first: a built-in strategy may be replaced. */
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
