import { type Duration } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { type HashOptions } from './hash-options.js';

/** How the instances that a strategy chooses among are found, and what some strategies go by. */
export interface LoadBalancingOptions {
  /**
   * What hash strategies go by.
   * @default { on: 'key', fallback: 'p2c_ewma', boundedLoad: false }
   */
  hash: Partial<HashOptions>;
  /**
   * Lets an instance that joins take its share little by little; false: all of it at once.
   * @default false
   */
  slowStart: Partial<SlowStartOptions> | false;
  /**
   * Whether calls go to unhealthy instances when no other one is left, rather than fail with `NO_AVAILABLE_INSTANCE`:
   * never to those that drain, are in maintenance or of weight 0. An open circuit stays closed to calls.
   * @default true
   */
  failOpen: boolean;
  /**
   * When a smaller share of a level's instances than this, by weight, is not unhealthy, and all levels together cannot bear
   * the calls, the level's health does not count: so many cannot be ill, or those that are left would be overloaded. From 0,
   * which means never, to 1. Envoy's default is 0.5.
   * @default 0
   */
  panicThreshold: number;
  /**
   * The service counts as unavailable unless more than this share of its instances, by weight, is not unhealthy. Equality
   * is too few, as with Kong's `threshold`. From 0, which is off, to below 1; less than `panicThreshold` where there is one.
   * @default 0
   */
  minimumHealthyShare: number;
  /**
   * Instances that nobody has checked yet come behind healthy ones, unless a smaller share than this, by weight, of
   * those that may serve is healthy. From 0, always behind as long as there is a healthy one, to 1.
   * @default 0.5
   */
  uncheckedThreshold: number;
  /**
   * Keeps calls near; false: the zone matters only where a call asks for one.
   * @default false
   */
  zone: ZoneOptions | false;
  /**
   * Sends calls to the first level of instances, and to the next where it cannot bear them; false: all are of one level.
   * @default false
   */
  priorities: PriorityOptions | false;
  /**
   * Uses a part of a large service only; false: all of it.
   * @default false
   */
  subset: SubsetOptions | false;
  /**
   * Which share of the calls goes to which versions, by semver range: `{ '1.x': 95, '2.x': 5 }`. An instance belongs to
   * the first range that holds its version. Numbers from 0 to 1,000,000, at least one above 0; false: all alike.
   * @default false
   */
  versionWeights: Readonly<Record<string, number>> | false;
  /**
   * Which requests go to which version, by a header. The first one that fits decides, before `versionWeights`.
   * @default []
   */
  routes: readonly RouteOptions[];
}

/** As Envoy's slow start: the share is `max(minimumWeight, (t / window) ^ (1 / aggression))` of the whole one. */
export interface SlowStartOptions {
  /** How long it takes to the whole share: 1 ms to 1 h. @default '30s' */
  window: Duration;
  /** 1: the share grows evenly; above, faster at first; below, slower: 0.1 to 10. @default 1 */
  aggression: number;
  /** The share to begin with: 0.01 to 1. @default 0.1 */
  minimumWeight: number;
}

export interface ZoneOptions {
  /** The zone whose instances come first, such as that of this process. A call's own `zone` stands above it. */
  prefer: string;
  /**
   * As long as this share of the zone's instances, by weight, can serve, all calls stay there; below, only the part of them
   * that corresponds, the others go elsewhere. From 0, all calls stay as long as there is one instance, to 1.
   * @default 0.7
   */
  minimumHealthyShare?: number;
}

export interface PriorityOptions {
  /** The name of the metadata with the number of an instance's level, or what tells it. The smallest comes first. */
  by: string | ((instance: ServiceInstance) => number | undefined);
  /** The level of instances without one: a finite number. @default 0 */
  otherwise?: number;
  /**
   * As long as this share of a level's instances, by weight, can serve, it takes all calls that come to it; below, the
   * next level takes the part that is missing (Envoy's overprovisioning factor of 1.4 is 1 / 0.71). From 0 to 1.
   * @default 0.7
   */
  minimumHealthyShare?: number;
}

export interface SubsetOptions {
  /** How many instances are used at most, of each version, level and zone that takes calls by itself: 1 to 100,000. */
  size: number;
  /** Clients with the same id use the same instances: the name of this process, such as that of its host or pod. */
  clientId: string;
}

/** Requests whose header has the value, or matches the pattern, or is there at all, go to the version. */
export interface RouteOptions {
  /** The name of a header. */
  header: string;
  value?: string;
  /** Not together with `value`. */
  pattern?: RegExp | string;
  /** A semver range. */
  version: string;
}

/** The one place of the defaults. */
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

/** Which share of a zone or level has to be able to serve for it to keep its calls to itself. */
export const DEFAULT_SPILL_OVER_SHARE = 0.7;
