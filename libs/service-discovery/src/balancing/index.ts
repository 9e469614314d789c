/** Which instance takes a call: filters, strategies, load metrics. */
export {
  type LoadBalancer,
  type PickContext,
  type PickResult,
  type Refusal,
  type SelectionCriteria,
} from './load-balancer.js';
export { CRITERIA_NAMES, findCriteriaProblems, tagsOf } from './criteria.js';
export { type UnavailableReason, WHY_UNAVAILABLE } from './unavailable-reason.js';
export { type BalancingExplanation, type FilterStage, type InstanceExplanation } from './explanation.js';
export { createLoadBalancer, type CreateLoadBalancerDeps } from './create-load-balancer.js';
export {
  type LoadBalancerConstructor,
  type CustomStrategies,
  type LoadBalancerFactory,
  type LoadBalancing,
  type LoadBalancingSettings,
  type LoadBalancingStrategyChoice,
  isStrategyName,
  mergeLoadBalancing,
  type NamedStrategies,
  resolveLoadBalancing,
  type StrategyName,
  strategyName,
} from './load-balancing.js';
export {
  DEFAULT_LOAD_BALANCING_OPTIONS,
  DEFAULT_SLOW_START_OPTIONS,
  type LoadBalancingOptions,
  type PriorityOptions,
  type RouteOptions,
  type SlowStartOptions,
  type SubsetOptions,
  type ZoneOptions,
} from './load-balancing-options.js';
export { type ResolvedLoadBalancingOptions, resolveLoadBalancingOptions } from './resolve-load-balancing-options.js';
export { type LoadBalancerDeps } from './load-balancer-deps.js';
export { selectServing } from './eligibility.js';
export { type EligibleResult, selectEligible } from './select-eligible.js';
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
export { type Candidate, type Strategy, type Wish } from './strategy.js';
export { LoadBalancingStrategy, type LoadBalancingStrategyName } from './strategy-names.js';
