import { type Outcome } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { type BalancingExplanation } from './explanation.js';
import { type HashRequest } from './hash-source.js';
import { type UnavailableReason } from './unavailable-reason.js';

/** What a caller wants of an instance. What is undefined counts as left out. */
export interface SelectionCriteria {
  /** A semver range, such as `^1.2`. Instances without a version do not match. */
  version?: string | undefined;
  /** Every tag must be there. */
  tags?: readonly string[] | ReadonlySet<string> | undefined;
  /** Instances of this zone come first; the others follow when it has none that is as healthy. */
  zone?: string | undefined;
}

/** Why an instance cannot take a call just now. */
export type Refusal = 'circuit_open' | 'at_capacity';

/** What one pick should mind. */
export interface PickContext extends Omit<SelectionCriteria, 'tags'>, HashRequest {
  /** Every tag must be there. */
  tags?: readonly string[];
  /** Ids of instances tried before: avoided while there is another one. */
  exclude?: ReadonlySet<string>;
  /** Ids of outliers that were ejected: taken only if no other instance that may be called is left, not even a tried one. */
  avoid?: ReadonlySet<string>;
  /** Ids of instances that refused a connection a moment ago: taken only if no other is left, not even an unhealthy one. */
  unreachable?: ReadonlySet<string>;
  /** Why an instance cannot take a call just now; then it is not picked. No unhealthy one stands in for one at capacity. */
  refusal?: (instance: ServiceInstance) => Refusal | undefined;
  /** `Clock.now()`, where the caller has just looked. @default it is asked where it matters */
  now?: number;
}

export type PickResult =
  | {
      readonly kind: 'picked';
      readonly instance: ServiceInstance;
      /** Whether it is unhealthy, and was picked as no other instance can take the call. @default false */
      readonly failOpen?: boolean;
      /**
       * To be called on the result once when the attempt has ended; later calls do nothing. Feeds the strategy's load state.
       * @param now `Clock.now()`, where the caller has just looked
       */
      done(outcome: Outcome, now?: number): void;
    }
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason };

/** Chooses one of a service's instances. Every implementation passes `loadBalancerContract` of `./testing`. */
export interface LoadBalancer {
  /** Takes over the present instances. What is known of an instance (load, latency) stays as long as its id stays. */
  update(instances: readonly ServiceInstance[]): void;
  pick(context?: PickContext): PickResult;
  /** What `pick` would go by now, instance by instance. Changes nothing. Every built-in balancer has it. */
  explain?(context?: PickContext): BalancingExplanation;
}
