import { type Clock, type Outcome, type Random } from '../common/index.js';
import { type EventSink, type Protocol, type ServiceInstance } from '../model/index.js';
import { type LoadTracker } from './load/load-tracker.js';
import { type ResolvedLoadBalancingOptions } from './load-balancing-options.js';
import { type BalancingExplanation, type UnavailableReason } from './selection/explanation.js';
import { type VersionShare } from './selection/version-range.js';
import { type HashRequest } from './strategies/hash-source.js';

/** What a caller requires of an instance, and the zone that it prefers. Undefined counts as left out. */
export interface SelectionCriteria {
  /** A semver range, such as `^1.2`. Instances without a version do not match. */
  version?: string | undefined;
  /** The instance must have every one of these tags. */
  tags?: readonly string[] | ReadonlySet<string> | undefined;
  /** What the instance must speak: `https` keeps a call from instances that registered with `http`. */
  protocol?: Protocol | undefined;
  /** Prefers instances in this zone; others are used when the zone has none that is as healthy. */
  zone?: string | undefined;
}

/** Why an instance cannot take a call now. */
export type Refusal = 'circuit_open' | 'at_capacity';

/** What one pick takes into account. */
export interface PickContext extends Omit<SelectionCriteria, 'tags'>, HashRequest {
  /** The instance must have every one of these tags. */
  tags?: readonly string[];
  /** Ids of instances tried before: avoided while there is another one. */
  exclude?: ReadonlySet<string>;
  /** Ids of ejected outliers: used only if no other callable instance is left, not even one tried before. */
  avoid?: ReadonlySet<string>;
  /** Ids of instances that refused a connection a moment ago: used only if no other is left, not even an unhealthy one. */
  unreachable?: ReadonlySet<string>;
  /**
   * Why an instance cannot take a call now; it is not picked then. Unhealthy instances do not stand in for one that is at
   * capacity.
   */
  refusal?: (instance: ServiceInstance) => Refusal | undefined;
  /** `Clock.now()`, if the caller has just read it. @default read when needed */
  now?: number;
}

/** The instance that takes the call, or why none can. */
export type PickResult =
  | {
      readonly kind: 'picked';
      readonly instance: ServiceInstance;
      /** Whether the instance is unhealthy and was picked because no other can take the call. @default false */
      readonly failOpen?: boolean;
      /**
       * Call this once, on the result, when the attempt has ended; later calls do nothing. It updates the load that strategies
       * go by.
       * @param now `Clock.now()`, if the caller has just read it
       */
      done(outcome: Outcome, now?: number): void;
    }
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason };

/** Picks an instance of one service for each call. Every implementation passes `loadBalancerContract` of `./testing`. */
export interface LoadBalancer {
  /** Replaces the list of instances. An instance's load and latency are kept as long as its id stays listed. */
  update(instances: readonly ServiceInstance[]): void;
  pick(context?: PickContext): PickResult;
  /**
   * Gives a version its share of the calls, in place of `versionWeights`; undefined: the options hold again. Called when a
   * rollout moves. Without it, a rollout does not change where the calls of this balancer go.
   */
  shareByVersion?(share: VersionShare | undefined): void;
  /** Explains, instance by instance, what `pick` would do now. Changes nothing. Every built-in balancer has it. */
  explain?(context?: PickContext): BalancingExplanation;
}

/** What a load balancer or a strategy is created with. */
export interface LoadBalancerDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** The load of the service's instances; balancers of one service may share it. */
  readonly loads: LoadTracker;
  /** Receives the events of panic and failing open. */
  readonly events: EventSink;
  /** The options given beside the strategy, with every default filled in. */
  readonly options: ResolvedLoadBalancingOptions;
}
