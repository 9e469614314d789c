import { HEADER_NAME, OptionValidator } from '../common/index.js';
import { type ResolvedHashOptions, resolveHashOptions } from './strategies/hash-options.js';
import {
  DEFAULT_LOAD_BALANCING_OPTIONS,
  DEFAULT_SLOW_START_OPTIONS,
  DEFAULT_SPILL_OVER_SHARE,
  type LoadBalancingOptions,
  type PriorityOptions,
  type RouteOptions,
  type SlowStartOptions,
  type SubsetOptions,
  type ZoneOptions,
} from './load-balancing-options.js';
import { isRange } from './selection/version-range.js';

/** Validated options with every default filled in; durations are in milliseconds. */
export interface ResolvedLoadBalancingOptions {
  readonly hash: Readonly<ResolvedHashOptions>;
  readonly slowStart: Readonly<SlowStartOptions & { window: number }> | false;
  readonly failOpen: boolean;
  readonly panicThreshold: number;
  readonly minimumHealthyShare: number;
  readonly uncheckedThreshold: number;
  readonly zone: Readonly<Required<ZoneOptions>> | false;
  readonly priorities: Readonly<Required<PriorityOptions>> | false;
  readonly subset: Readonly<SubsetOptions> | false;
  readonly versionWeights: Readonly<Record<string, number>> | false;
  readonly routes: readonly ResolvedRoute[];
}

/** A route with its pattern compiled. */
export interface ResolvedRoute {
  /** In lower case. */
  readonly header: string;
  readonly value?: string;
  readonly pattern?: RegExp;
  readonly version: string;
}

const SHARE = { min: 0, max: 1 };
const MAX_WINDOW_MS = 3_600_000;

/**
 * Fills in the defaults and validates every option.
 * @param path prefix of the option names in errors, as in `loadBalancing.slowStart.window`
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveLoadBalancingOptions(
  options?: Partial<LoadBalancingOptions>,
  path = 'loadBalancing',
): ResolvedLoadBalancingOptions {
  const check = new OptionValidator(path);
  const given = check.options('', options, DEFAULT_LOAD_BALANCING_OPTIONS);
  const resolved: ResolvedLoadBalancingOptions = {
    hash: check.gather(() => resolveHashOptions(given.hash, check.pathOf('hash'))) ?? resolveHashOptions(),
    slowStart: resolveSlowStart(check, given.slowStart),
    failOpen: check.boolean('failOpen', given.failOpen),
    panicThreshold: check.number('panicThreshold', given.panicThreshold, SHARE),
    minimumHealthyShare: check.number('minimumHealthyShare', given.minimumHealthyShare, SHARE),
    uncheckedThreshold: check.number('uncheckedThreshold', given.uncheckedThreshold, SHARE),
    zone: resolveZone(check, given.zone),
    priorities: resolvePriorities(check, given.priorities),
    subset: resolveSubset(check, given.subset),
    versionWeights: resolveVersionWeights(check, given.versionWeights),
    routes: resolveRoutes(check, given.routes),
  };
  const { panicThreshold, minimumHealthyShare } = resolved;
  if (minimumHealthyShare === 1) {
    check.problem('minimumHealthyShare', 1, 'less than 1, since a larger share than this has to be healthy');
  } else if (panicThreshold > 0 && minimumHealthyShare >= panicThreshold) {
    const expected = `less than panicThreshold, which is ${panicThreshold}, as below it no instance is left to call in a panic`;
    check.problem('minimumHealthyShare', minimumHealthyShare, expected);
  }
  check.throwIfAny();
  return resolved;
}

function resolveSlowStart(
  check: OptionValidator,
  options: LoadBalancingOptions['slowStart'],
): ResolvedLoadBalancingOptions['slowStart'] {
  if (options === false) return false;
  const given = check.options('slowStart', options, DEFAULT_SLOW_START_OPTIONS);
  return {
    window: check.duration('slowStart.window', given.window, { minMs: 1, maxMs: MAX_WINDOW_MS }),
    aggression: check.number('slowStart.aggression', given.aggression, { min: 0.1, max: 10 }),
    minimumWeight: check.number('slowStart.minimumWeight', given.minimumWeight, { min: 0.01, max: 1 }),
  };
}

function resolveZone(check: OptionValidator, options: LoadBalancingOptions['zone']): Required<ZoneOptions> | false {
  if (options === false) return false;
  const defaults = { minimumHealthyShare: DEFAULT_SPILL_OVER_SHARE };
  const given = check.options<Partial<ZoneOptions>>('zone', options, defaults, ['prefer']);
  checkText(check, 'zone.prefer', given.prefer, 'the name of a zone');
  check.number('zone.minimumHealthyShare', given.minimumHealthyShare, SHARE);
  return given as Required<ZoneOptions>;
}

function resolvePriorities(
  check: OptionValidator,
  options: LoadBalancingOptions['priorities'],
): Required<PriorityOptions> | false {
  if (options === false) return false;
  const defaults = { otherwise: 0, minimumHealthyShare: DEFAULT_SPILL_OVER_SHARE };
  const given = check.options<Partial<PriorityOptions>>('priorities', options, defaults, ['by']);
  if (typeof given.by !== 'function') {
    checkText(check, 'priorities.by', given.by, 'the name of a metadata field, or a function');
  }
  check.number('priorities.otherwise', given.otherwise);
  check.number('priorities.minimumHealthyShare', given.minimumHealthyShare, SHARE);
  return given as Required<PriorityOptions>;
}

function resolveSubset(check: OptionValidator, options: LoadBalancingOptions['subset']): SubsetOptions | false {
  if (options === false) return false;
  const given = check.options<Partial<SubsetOptions>>('subset', options, {}, ['size', 'clientId']);
  check.number('subset.size', given.size, { min: 1, max: 100_000, integer: true });
  checkText(check, 'subset.clientId', given.clientId, 'a text that is not empty');
  return given as SubsetOptions;
}

function resolveVersionWeights(
  check: OptionValidator,
  weights: LoadBalancingOptions['versionWeights'],
): Readonly<Record<string, number>> | false {
  if (weights === false) return false;
  const ranges = typeof weights === 'object' && weights !== null ? Object.keys(weights) : [];
  const given = check.options<Record<string, number>>('versionWeights', weights, {}, ranges);
  for (const [range, weight] of Object.entries(given)) {
    if (!isRange(range)) check.problem('versionWeights', range, 'semver ranges, such as "1.x", as names');
    check.number(`versionWeights[${JSON.stringify(range)}]`, weight, { min: 0, max: 1_000_000 });
  }
  if (Object.values(given).every((weight) => weight === 0)) {
    check.problem('versionWeights', weights, 'at least one weight above 0');
  }
  return given;
}

function resolveRoutes(check: OptionValidator, routes: unknown): readonly ResolvedRoute[] {
  if (!Array.isArray(routes)) {
    check.problem('routes', routes, 'a list of routes');
    return [];
  }
  return routes.map((route: RouteOptions, index) => resolveRoute(check, `routes[${index}]`, route));
}

function resolveRoute(check: OptionValidator, path: string, options: RouteOptions): ResolvedRoute {
  const defaults: RouteOptions = { header: '', version: '' };
  const given = check.options(path, options, defaults, ['value', 'pattern']);
  const { header, value, pattern, version } = given;
  if (typeof header !== 'string' || !HEADER_NAME.test(header)) {
    check.problem(`${path}.header`, header, 'the name of a header');
  }
  if (typeof version !== 'string' || version === '' || !isRange(version)) {
    check.problem(`${path}.version`, version, 'a semver range, such as "2.x"');
  }
  if (value !== undefined && typeof value !== 'string') check.problem(`${path}.value`, value, 'a text');
  if (value !== undefined && pattern !== undefined) {
    check.problem(`${path}.pattern`, pattern, 'nothing where there is a value');
  }
  return { header: String(header).toLowerCase(), value, pattern: resolvePattern(check, path, pattern), version };
}

function resolvePattern(check: OptionValidator, path: string, pattern: unknown): RegExp | undefined {
  if (pattern === undefined) return undefined;
  // Global and sticky expressions keep `lastIndex` between calls, so every other request would not match.
  if (pattern instanceof RegExp) return new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, ''));
  try {
    if (typeof pattern === 'string') return new RegExp(pattern);
  } catch {
    // Reported below.
  }
  check.problem(`${path}.pattern`, pattern, 'a regular expression');
  return undefined;
}

function checkText(check: OptionValidator, path: string, value: unknown, expected: string): void {
  if (typeof value !== 'string' || value === '') check.problem(path, value, expected);
}
