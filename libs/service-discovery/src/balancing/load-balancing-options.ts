import {
  boolean,
  count,
  custom,
  duration,
  type GivenOptionsOf,
  group,
  HEADER_NAME,
  number,
  optional,
  OptionGroup,
  type OptionsOf,
  type OptionValidator,
  orFalse,
  required,
  type ResolvedOf,
  text,
} from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { isRange } from './selection/version-range.js';
import { HASH_OPTIONS } from './strategies/hash-options.js';

const SHARE = { min: 0, max: 1 };

/** The share of a zone or level that has to be available for it to keep all its calls. */
const SPILL_OVER_SHARE = { default: 0.7, ...SHARE };

/** Like Envoy's slow start: after time t the share is `max(minimumWeight, (t / window) ^ (1 / aggression))` of the full one. */
const SLOW_START_OPTIONS = new OptionGroup('loadBalancing.slowStart', {
  /** The time until the full share: 1 ms to 1 h. @default '30s' */
  window: duration({ default: '30s', minMs: 1, maxMs: 3_600_000 }),
  /** 1: the share grows linearly; above 1, faster at first; below, slower at first: 0.1 to 10. @default 1 */
  aggression: number({ default: 1, min: 0.1, max: 10 }),
  /** The initial fraction of the full share: 0.01 to 1. @default 0.1 */
  minimumWeight: number({ default: 0.1, min: 0.01, max: 1 }),
});

/** Keeps calls in one zone while enough of its instances are available. */
const ZONE_OPTIONS = new OptionGroup('loadBalancing.zone', {
  /** The zone whose instances are preferred, such as that of this process. A call's own `zone` overrides it. */
  prefer: text('the name of a zone'),
  /**
   * While at least this share of the zone's instances, by weight, is available, all calls stay there; below, a proportional
   * part of the calls stays and the rest goes to other zones. From 0, all calls stay while one instance is available, to 1.
   * @default 0.7
   */
  minimumHealthyShare: number(SPILL_OVER_SHARE),
});

type LevelOf = string | ((instance: ServiceInstance) => number | undefined);

const LEVEL_OF = text('the name of a metadata field, or a function');

/** Levels of instances: a level takes calls that the one before it cannot. */
const PRIORITY_OPTIONS = new OptionGroup('loadBalancing.priorities', {
  /** The metadata field with the number of an instance's level, or a function that returns it. The smallest comes first. */
  by: required<LevelOf>({
    range: LEVEL_OF.range,
    read: (value, path, check) =>
      typeof value === 'function' ? (value as LevelOf) : LEVEL_OF.read(value, path, check),
  }),
  /** The level of instances that have none: a finite number. @default 0 */
  otherwise: number({ default: 0 }),
  /**
   * While at least this share of a level's instances, by weight, is available, it takes all calls that reach it; below, the
   * next level takes the rest (Envoy's overprovisioning factor of 1.4 is 1 / 0.71). From 0 to 1.
   * @default 0.7
   */
  minimumHealthyShare: number(SPILL_OVER_SHARE),
});

/** Limits a process to a part of the instances, so that it keeps fewer connections. */
const SUBSET_OPTIONS = new OptionGroup('loadBalancing.subset', {
  /** The most instances used, of each version, level and zone that has its own share of the calls: 1 to 100,000. */
  size: count({ min: 1, max: 100_000 }),
  /** Identifies this process, such as its host or pod name. Clients with the same id use the same instances. */
  clientId: text('a text that is not empty'),
});

/** Sends requests to `version` if `header` equals `value`, matches `pattern`, or, with neither, is present. */
const ROUTE_OPTIONS = new OptionGroup(
  'loadBalancing.routes[0]',
  {
    /** The name of a header. */
    header: required<string>({
      range: 'the name of a header',
      read: (value, path, check) => {
        if (typeof value !== 'string' || !HEADER_NAME.test(value)) check.problem(path, value, 'the name of a header');
        return String(value).toLowerCase();
      },
    }),
    /** The value of the header. */
    value: optional(
      custom<string>({
        range: 'a text',
        read: (value, path, check) => {
          if (typeof value !== 'string') check.problem(path, value, 'a text');
          return value as string;
        },
      }),
    ),
    /** What the value of the header matches. Cannot be combined with `value`. */
    pattern: optional(custom<RegExp | string, RegExp>({ range: 'a regular expression', read: readPattern })),
    /** A semver range. */
    version: required<string>({
      range: 'a semver range',
      read: (value, path, check) => {
        const isOne = typeof value === 'string' && value !== '' && isRange(value);
        if (!isOne) check.problem(path, value, 'a semver range, such as "2.x"');
        return value as string;
      },
    }),
  },
  (_resolved, { value, pattern }, check) => {
    if (value !== undefined && pattern !== undefined) {
      check.problem('pattern', pattern, 'nothing where there is a value');
    }
  },
);

export interface RouteOptions extends GivenOptionsOf<typeof ROUTE_OPTIONS> {}

/** A route with its header in lower case and its pattern compiled. */
export interface ResolvedRoute extends ResolvedOf<typeof ROUTE_OPTIONS> {}

/** Checks a list of routes. */
function readRoutes(routes: unknown, path: string, check: OptionValidator): readonly ResolvedRoute[] {
  if (!Array.isArray(routes)) {
    check.problem(path, routes, 'a list of routes');
    return [];
  }
  return routes.flatMap((route: RouteOptions, index) => {
    return check.gather(() => ROUTE_OPTIONS.resolve(route, check.pathOf(`${path}[${index}]`))) ?? [];
  });
}

function readPattern(pattern: unknown, path: string, check: OptionValidator): RegExp {
  // Global and sticky expressions keep `lastIndex` between calls, so every other request would not match.
  if (pattern instanceof RegExp) return new RegExp(pattern.source, pattern.flags.replaceAll(/[gy]/g, ''));
  try {
    if (typeof pattern === 'string') return new RegExp(pattern);
  } catch {
    // Reported below.
  }
  check.problem(path, pattern, 'a regular expression');
  return /(?!)/;
}

/** Options for the instances that a strategy may choose from, and for some of the strategies. */
export const LOAD_BALANCING_OPTIONS = new OptionGroup(
  'loadBalancing',
  {
    /**
     * The key of hash strategies.
     * @default { on: 'key', fallback: 'p2c_ewma', boundedLoad: false }
     */
    hash: group(HASH_OPTIONS),
    /**
     * Gradually raises the share of an instance that joins; false: it gets its full share at once.
     * @default false
     */
    slowStart: orFalse(group(SLOW_START_OPTIONS), { default: false }),
    /**
     * Whether calls go to unhealthy instances when no other one is left, rather than fail with `NO_AVAILABLE_INSTANCE`. Those
     * that are draining, in maintenance, of weight 0 or behind an open circuit never get calls.
     * @default true
     */
    failOpen: boolean({ default: true }),
    /**
     * When less than this share of a level's instances, by weight, is available, and all levels together cannot carry the
     * calls, health is ignored in that level: the checks are probably wrong, and if not, the few available instances would be
     * overloaded. From 0, which means never, to 1. Envoy's default is 0.5.
     * @default 0
     */
    panicThreshold: number({ default: 0, ...SHARE }),
    /**
     * The service counts as unavailable unless more than this share of its instances, by weight, is available. Exactly this
     * share is too few, as with Kong's `threshold`. From 0, which is off, to below 1; less than `panicThreshold` if that is set.
     * @default 0
     */
    minimumHealthyShare: number({ default: 0, ...SHARE }),
    /**
     * Healthy instances are preferred to unchecked ones, unless less than this share, by weight, of those that may serve is
     * healthy. From 0, preferred as long as there is a healthy one, to 1.
     * @default 0.5
     */
    uncheckedThreshold: number({ default: 0.5, ...SHARE }),
    /**
     * Prefers instances of a zone; false: only for calls that ask for one.
     * @default false
     */
    zone: orFalse(group(ZONE_OPTIONS), { default: false }),
    /**
     * Sends calls to the first priority level, and to the next when it cannot carry them; false: all instances are one level.
     * @default false
     */
    priorities: orFalse(group(PRIORITY_OPTIONS), { default: false }),
    /**
     * Uses only a subset of a large service's instances; false: all of them.
     * @default false
     */
    subset: orFalse(group(SUBSET_OPTIONS), { default: false }),
    /**
     * The share of calls for each version, by semver range: `{ '1.x': 95, '2.x': 5 }`. An instance belongs to the first range
     * that contains its version. Numbers from 0 to 1,000,000, at least one above 0; false: versions do not matter.
     * @default false
     */
    versionWeights: orFalse(
      custom<Readonly<Record<string, number>>>({ range: 'weights by version range', read: readWeights }),
    ),
    /**
     * Sends requests to a version by a header. The first route that matches wins, and `versionWeights` do not apply.
     * @default []
     */
    routes: custom<readonly RouteOptions[], readonly ResolvedRoute[]>({
      default: [],
      range: 'routes',
      read: readRoutes,
    }),
  },
  ({ panicThreshold, minimumHealthyShare }, _given, check) => {
    if (minimumHealthyShare === 1) {
      check.problem('minimumHealthyShare', 1, 'less than 1, since a larger share than this has to be healthy');
    } else if (panicThreshold > 0 && minimumHealthyShare >= panicThreshold) {
      const expected = `less than panicThreshold, which is ${panicThreshold}, as below it no instance is left to call in a panic`;
      check.problem('minimumHealthyShare', minimumHealthyShare, expected);
    }
  },
);

export interface SlowStartOptions extends OptionsOf<typeof SLOW_START_OPTIONS> {}
export interface ZoneOptions extends GivenOptionsOf<typeof ZONE_OPTIONS> {}
export interface PriorityOptions extends GivenOptionsOf<typeof PRIORITY_OPTIONS> {}
export interface SubsetOptions extends GivenOptionsOf<typeof SUBSET_OPTIONS> {}
export interface LoadBalancingOptions extends OptionsOf<typeof LOAD_BALANCING_OPTIONS> {}
export interface ResolvedLoadBalancingOptions extends ResolvedOf<typeof LOAD_BALANCING_OPTIONS> {}

function readWeights(weights: unknown, path: string, check: OptionValidator): Readonly<Record<string, number>> {
  const ranges = typeof weights === 'object' && weights !== null ? Object.keys(weights) : [];
  const given = check.options<Record<string, number>>(path, weights as Record<string, number>, {}, ranges);
  for (const [range, weight] of Object.entries(given)) {
    if (!isRange(range)) check.problem(path, range, 'semver ranges, such as "1.x", as names');
    check.number(`${path}[${JSON.stringify(range)}]`, weight, { min: 0, max: 1_000_000 });
  }
  if (Object.values(given).every((weight) => weight === 0)) {
    check.problem(path, weights, 'at least one weight above 0');
  }
  return given;
}
