import { type InstanceStatus, type ServiceInstance } from '../../model/index.js';

/** What can leave an instance out of a pick, in the order in which the filters run. */
export type FilterStage =
  /** Its protocol is not HTTP, or not the one that the call asks for or `requireTls` demands. */
  | 'protocol'
  /** Its version is not in the range that the call asks for. */
  | 'version'
  /** It lacks a tag that the call asks for. */
  | 'tags'
  /** Its version is not the one that a route sends the call to. */
  | 'route'
  /** Unhealthy while others are not; draining, in maintenance or of weight 0. */
  | 'status'
  /** It cannot take a call now: its circuit is open, or it is at its concurrency limit. */
  | 'refusal'
  /** An outlier, or unreachable, and there are others. */
  | 'avoid'
  /** This call has tried it before, and there are others. */
  | 'exclude'
  /** Not checked yet, and others are healthy. */
  | 'unchecked'
  /** Its version gets no share of the calls. */
  | 'version_weights'
  /** Its priority level is on standby. */
  | 'priority'
  /** It is in another zone. */
  | 'zone'
  /** It is not in this client's subset. */
  | 'subset'
  /** All calls go through a gateway, or all go past it. */
  | 'share';

/** Called for each instance that is left out, with a short reason. */
export type OnLeftOut = (instance: ServiceInstance, stage: FilterStage, reason: string) => void;

/** Why no instance can be picked. */
export type UnavailableReason =
  /** The service has no instances. */
  | 'no_instances'
  /** None matches version and tags. */
  | 'no_match'
  /** All that match are draining, in maintenance, of weight 0 or, where the service must not fail open, unhealthy. */
  | 'none_healthy'
  /** The healthy share of those that match is not above `minimumHealthyShare`. */
  | 'too_few_healthy'
  /** `refusal` rejects all healthy ones. */
  | 'none_available';

/** Each {@link UnavailableReason} as a clause of an error message. */
export const WHY_UNAVAILABLE: Readonly<Record<UnavailableReason, string>> = {
  no_instances: 'there is none',
  no_match: 'none matches the version and tags asked for',
  none_healthy: 'all are unhealthy, draining, in maintenance or of weight 0',
  too_few_healthy: 'too few of its instances are healthy to bear its calls',
  none_available: 'all are refused',
};

/** What a pick would do with one instance. */
export interface InstanceExplanation {
  readonly instanceId: string;
  readonly status: InstanceStatus;
  /** Whether the strategy may choose it. */
  readonly taken: boolean;
  /** The filter that left it out; undefined when `taken`. */
  readonly stage?: FilterStage;
  /** A short reason; undefined when `taken`. */
  readonly reason?: string;
  /**
   * The share of calls that goes to the instance's pool: 1, unless versions, levels or zones split the calls. Undefined when
   * it is left out.
   */
  readonly poolShare?: number;
  /** Relative to the other instances. */
  readonly weight: number;
  /** The fraction of its weight that counts during slow start; 1 otherwise. */
  readonly slowStart: number;
  /** Calls in flight. */
  readonly active: number;
  /** The expected latency; 0 while no instance has been measured. */
  readonly latencyMs: number;
}

/** What a pick would base its choice on. */
export interface BalancingExplanation {
  /** The strategy's name. */
  readonly strategy: string;
  /** What the strategy chooses by, in a few words; undefined if it does not say. */
  readonly goesBy?: string;
  /** The key that a hash strategy would use. */
  readonly key?: string;
  /** The instance that a hash strategy would choose for that key. */
  readonly owner?: string;
  /** Why no instance can be picked; undefined when one can. */
  readonly unavailable?: UnavailableReason;
  /**
   * Of the matching instances in rotation, the share by weight that is neither unhealthy, an outlier nor unreachable.
   */
  readonly healthyShare: number;
  /** Whether a level or version has so few healthy instances that health is ignored there. */
  readonly panic: boolean;
  /** Whether unhealthy instances take the call because no other can. */
  readonly failOpen: boolean;
  /** Every instance of the service, in list order. */
  readonly instances: readonly InstanceExplanation[];
}
