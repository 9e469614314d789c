import { type InstanceStatus, type ServiceInstance } from '../model/index.js';
import { type UnavailableReason } from './unavailable-reason.js';

/** What can leave an instance out of a choice, in the order in which they are asked. */
export type FilterStage =
  /** Speaks something else than HTTP. */
  | 'protocol'
  /** Not of the version that the call asks for. */
  | 'version'
  /** Without a tag that the call asks for. */
  | 'tags'
  /** Not of the version that a route sends the call to. */
  | 'route'
  /** Unhealthy, and others are not; draining, in maintenance or of weight 0. */
  | 'status'
  /** Cannot take a call just now: its circuit is open, or it has enough calls. */
  | 'refusal'
  /** An outlier, or out of reach, and there are others. */
  | 'avoid'
  /** Tried before by this call, and there are others. */
  | 'exclude'
  /** Not checked yet, and others are healthy. */
  | 'unchecked'
  /** Of a version that should get no calls. */
  | 'version_weights'
  /** Of a level that stands by. */
  | 'priority'
  /** Of another zone. */
  | 'zone'
  /** Not among those that this client uses. */
  | 'subset';

/** Hears of each instance that is left out, and why in a few words. */
export type OnLeftOut = (instance: ServiceInstance, stage: FilterStage, reason: string) => void;

/** How one instance stands for a call. */
export interface InstanceExplanation {
  readonly instanceId: string;
  readonly status: InstanceStatus;
  /** Whether the strategy may choose it. */
  readonly taken: boolean;
  /** What left it out; undefined where it is taken. */
  readonly stage?: FilterStage;
  /** Why, in a few words; undefined where it is taken. */
  readonly reason?: string;
  /**
   * The share of the calls for which the strategy chooses among it and its like: 1, but where versions, levels or zones
   * share calls among them. Undefined where it is left out.
   */
  readonly poolShare?: number;
  /** Relative to the others. */
  readonly weight: number;
  /** The part of its weight that counts while it starts slowly; 1 otherwise. */
  readonly slowStart: number;
  /** Calls in flight. */
  readonly active: number;
  /** The latency to expect; 0 while nothing is known of any. */
  readonly latencyMs: number;
}

/** What a pick would go by. */
export interface BalancingExplanation {
  /** The strategy's name. */
  readonly strategy: string;
  /** What it goes by, in a few words; undefined where it does not say. */
  readonly goesBy?: string;
  /** The text that a hash strategy would go by. */
  readonly key?: string;
  /** Whom it would choose for that key. */
  readonly owner?: string;
  /** Why nobody can be picked; undefined where somebody can. */
  readonly unavailable?: UnavailableReason;
  /** The share of those that fit and are meant to take calls that are neither unhealthy, outliers nor out of reach, by weight. */
  readonly healthyShare: number;
  /** Whether so few of a level or version are healthy that its health does not count. */
  readonly panic: boolean;
  /** Whether unhealthy instances take the call, as no other can. */
  readonly failOpen: boolean;
  /** Every instance of the service, in the order of the list. */
  readonly instances: readonly InstanceExplanation[];
}
