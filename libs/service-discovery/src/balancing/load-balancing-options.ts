import { type Duration } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { type HashOptions } from './strategies/hash-options.js';

/** Options for the instances that a strategy may choose from, and for some of the strategies. */
export interface LoadBalancingOptions {
  /**
   * The key of hash strategies.
   * @default { on: 'key', fallback: 'p2c_ewma', boundedLoad: false }
   */
  hash: Partial<HashOptions>;
  /**
   * Gradually raises the share of an instance that joins; false: it gets its full share at once.
   * @default false
   */
  slowStart: Partial<SlowStartOptions> | false;
  /**
   * Whether calls go to unhealthy instances when no other one is left, rather than fail with `NO_AVAILABLE_INSTANCE`. Those
   * that are draining, in maintenance, of weight 0 or behind an open circuit never get calls.
   * @default true
   */
  failOpen: boolean;
  /**
   * When less than this share of a level's instances, by weight, is available, and all levels together cannot carry the
   * calls, health is ignored in that level: the checks are probably wrong, and if not, the few available instances would be
   * overloaded. From 0, which means never, to 1. Envoy's default is 0.5.
   * @default 0
   */
  panicThreshold: number;
  /**
   * The service counts as unavailable unless more than this share of its instances, by weight, is available. Exactly this
   * share is too few, as with Kong's `threshold`. From 0, which is off, to below 1; less than `panicThreshold` if that is set.
   * @default 0
   */
  minimumHealthyShare: number;
  /**
   * Healthy instances are preferred to unchecked ones, unless less than this share, by weight, of those that may serve is
   * healthy. From 0, preferred as long as there is a healthy one, to 1.
   * @default 0.5
   */
  uncheckedThreshold: number;
  /**
   * Prefers instances of a zone; false: only for calls that ask for one.
   * @default false
   */
  zone: ZoneOptions | false;
  /**
   * Sends calls to the first priority level, and to the next when it cannot carry them; false: all instances are one level.
   * @default false
   */
  priorities: PriorityOptions | false;
  /**
   * Uses only a subset of a large service's instances; false: all of them.
   * @default false
   */
  subset: SubsetOptions | false;
  /**
   * The share of calls for each version, by semver range: `{ '1.x': 95, '2.x': 5 }`. An instance belongs to the first range
   * that contains its version. Numbers from 0 to 1,000,000, at least one above 0; false: versions do not matter.
   * @default false
   */
  versionWeights: Readonly<Record<string, number>> | false;
  /**
   * Sends requests to a version by a header. The first route that matches wins, and `versionWeights` do not apply.
   * @default []
   */
  routes: readonly RouteOptions[];
}

/** Like Envoy's slow start: after time t the share is `max(minimumWeight, (t / window) ^ (1 / aggression))` of the full one. */
export interface SlowStartOptions {
  /** The time until the full share: 1 ms to 1 h. @default '30s' */
  window: Duration;
  /** 1: the share grows linearly; above 1, faster at first; below, slower at first: 0.1 to 10. @default 1 */
  aggression: number;
  /** The initial fraction of the full share: 0.01 to 1. @default 0.1 */
  minimumWeight: number;
}

/** Keeps calls in one zone while enough of its instances are available. */
export interface ZoneOptions {
  /** The zone whose instances are preferred, such as that of this process. A call's own `zone` overrides it. */
  prefer: string;
  /**
   * While at least this share of the zone's instances, by weight, is available, all calls stay there; below, a proportional
   * part of the calls stays and the rest goes to other zones. From 0, all calls stay while one instance is available, to 1.
   * @default 0.7
   */
  minimumHealthyShare?: number;
}

/** Levels of instances: a level takes calls that the one before it cannot. */
export interface PriorityOptions {
  /** The metadata field with the number of an instance's level, or a function that returns it. The smallest comes first. */
  by: string | ((instance: ServiceInstance) => number | undefined);
  /** The level of instances that have none: a finite number. @default 0 */
  otherwise?: number;
  /**
   * While at least this share of a level's instances, by weight, is available, it takes all calls that reach it; below, the
   * next level takes the rest (Envoy's overprovisioning factor of 1.4 is 1 / 0.71). From 0 to 1.
   * @default 0.7
   */
  minimumHealthyShare?: number;
}

/** Limits a process to a part of the instances, so that it keeps fewer connections. */
export interface SubsetOptions {
  /** The most instances used, of each version, level and zone that has its own share of the calls: 1 to 100,000. */
  size: number;
  /** Identifies this process, such as its host or pod name. Clients with the same id use the same instances. */
  clientId: string;
}

/** Sends requests to `version` if `header` equals `value`, matches `pattern`, or, with neither, is present. */
export interface RouteOptions {
  /** The name of a header. */
  header: string;
  value?: string;
  /** Cannot be combined with `value`. */
  pattern?: RegExp | string;
  /** A semver range. */
  version: string;
}

export const DEFAULT_LOAD_BALANCING_OPTIONS: Readonly<LoadBalancingOptions> = {
  hash: {},
  slowStart: false,
  failOpen: true,
  panicThreshold: 0,
  minimumHealthyShare: 0,
  uncheckedThreshold: 0.5,
  zone: false,
  priorities: false,
  subset: false,
  versionWeights: false,
  routes: [],
};

export const DEFAULT_SLOW_START_OPTIONS: Readonly<SlowStartOptions> = {
  window: 30_000,
  aggression: 1,
  minimumWeight: 0.1,
};

/** The share of a zone or level that has to be available for it to keep all its calls. */
export const DEFAULT_SPILL_OVER_SHARE = 0.7;
