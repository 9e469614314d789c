/** Which instance takes a call: filters, strategies, load metrics. */
export {
  type LoadBalancer,
  type PickContext,
  type PickResult,
  type SelectionCriteria,
  type UnavailableReason,
} from './load-balancer.js';
export {
  createLoadBalancer,
  expectedLoadBalancing,
  isStrategyName,
  type LoadBalancerConstructor,
  type LoadBalancerFactory,
  type LoadBalancing,
  strategyName,
} from './create-load-balancer.js';
export { type LoadBalancerDeps } from './load-balancer-deps.js';
export { type EligibleResult, selectEligible, selectServing } from './eligibility.js';
export {
  DEFAULT_HASH_OPTIONS,
  type HashOptions,
  hashSourcesFor,
  type KeylessStrategyName,
  type ResolvedHashOptions,
  resolveHashOptions,
} from './hash-options.js';
export { hashKeyOf, type HashRequest, type HashSource } from './hash-source.js';
export { DEFAULT_LOAD_TRACKER_OPTIONS, InstanceLoad, LoadTracker, type LoadTrackerOptions } from './load-tracker.js';
export { LoadBalancingStrategy, type LoadBalancingStrategyName } from './strategy-names.js';
