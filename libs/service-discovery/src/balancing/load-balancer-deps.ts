import { type Clock, type Random } from '../common/index.js';
import { type LoadTracker } from './load-tracker.js';

/** What a load balancer is made with. */
export interface LoadBalancerDeps {
  readonly clock: Clock;
  readonly random: Random;
  /** What is known of the service's instances; balancers of one service may share it. */
  readonly loads: LoadTracker;
}
