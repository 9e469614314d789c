import { type Clock, type Random } from '../common/index.js';
import { type EventSink } from '../model/index.js';
import { type LoadTracker } from './load-tracker.js';
import { type ResolvedLoadBalancingOptions } from './resolve-load-balancing-options.js';

/** What a load balancer, or a strategy, is made with. */
export interface LoadBalancerDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** What is known of the service's instances; balancers of one service may share it. */
  readonly loads: LoadTracker;
  /** Where a panic, and failing open, are told of. */
  readonly events: EventSink;
  /** As given beside the strategy, with every default filled in. */
  readonly options: ResolvedLoadBalancingOptions;
}
