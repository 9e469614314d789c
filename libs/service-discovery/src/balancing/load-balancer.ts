import { type Outcome } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';

/** What a caller wants of an instance. */
export interface SelectionCriteria {
  /** A semver range, such as `^1.2`. Instances without a version do not match. */
  version?: string;
  /** Every tag must be there. */
  tags?: readonly string[];
  /** Instances of this zone come first; the others follow when it has none that is as healthy. */
  zone?: string;
}

/** What one pick should mind. */
export interface PickContext extends SelectionCriteria {
  /** Ids of instances tried before: avoided while there is another one. */
  exclude?: ReadonlySet<string>;
  /** Instances refused here are not picked at all (their circuit is open). */
  isAvailable?: (instance: ServiceInstance) => boolean;
  /** What hash strategies go by. */
  key?: string;
}

export type UnavailableReason =
  /** The service has no instances. */
  | 'no_instances'
  /** None matches version and tags. */
  | 'no_match'
  /** All that match are unhealthy, draining, in maintenance or have weight 0. */
  | 'none_healthy'
  /** All healthy ones are refused by `isAvailable`. */
  | 'none_available';

export type PickResult =
  | {
      readonly kind: 'picked';
      readonly instance: ServiceInstance;
      /** To be called once when the attempt has ended; later calls do nothing. Feeds the strategy's load state. */
      done(outcome: Outcome): void;
    }
  | { readonly kind: 'unavailable'; readonly reason: UnavailableReason };

/** Chooses one of a service's instances. Every implementation passes `loadBalancerContract` of `./testing`. */
export interface LoadBalancer {
  /** Takes over the present instances. What is known of an instance (load, latency) stays as long as its id stays. */
  update(instances: readonly ServiceInstance[]): void;
  pick(context?: PickContext): PickResult;
}
