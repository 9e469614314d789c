import { type InstanceStatus } from '../model/index.js';
import { type UnavailableReason } from './unavailable-reason.js';

/** What can leave an instance out of a choice, in the order in which they are asked. */
export type FilterStage = 'version' | 'tags' | 'status' | 'refusal' | 'avoid' | 'exclude' | 'unchecked' | 'zone';

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
  /** What its share goes by, relative to the others: its own weight, less while it starts slowly. */
  readonly weight: number;
  /** Calls in flight. */
  readonly active: number;
  /** The latency to expect; 0 while nothing is known of any. */
  readonly latencyMs: number;
}

/** What a pick would go by. */
export interface BalancingExplanation {
  /** The strategy's name. */
  readonly strategy: string;
  /** The text that a hash strategy would go by. */
  readonly key?: string;
  /** Why nobody can be picked; undefined where somebody can. */
  readonly unavailable?: UnavailableReason;
  /** Every instance of the service, in the order of the list. */
  readonly instances: readonly InstanceExplanation[];
}
