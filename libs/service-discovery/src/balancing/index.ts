/** Chooses the instance for a call: filters, strategies, load. */
export {
  type LoadBalancer,
  type LoadBalancerDeps,
  type PickContext,
  type PickResult,
  type Refusal,
  type SelectionCriteria,
} from './load-balancer.js';
export { GatewaySplit } from './gateway-split.js';
export { isRange, rangeOf, type VersionShare, versionShareOf } from './selection/version-range.js';
export { CRITERIA_NAMES, findCriteriaProblems, tagsOf } from './selection/criteria.js';
export { describeUnavailable } from './selection/explain-selection.js';
export {
  type BalancingExplanation,
  type FilterStage,
  type InstanceExplanation,
  type UnavailableReason,
  WHY_UNAVAILABLE,
} from './selection/explanation.js';
export {
  createLoadBalancer,
  type CreateLoadBalancerDeps,
  type CustomStrategies,
  isStrategyName,
  type LoadBalancerConstructor,
  type LoadBalancerFactory,
  type LoadBalancing,
  type LoadBalancingSettings,
  type LoadBalancingStrategyChoice,
  mergeLoadBalancing,
  type NamedStrategies,
  resolveLoadBalancing,
  type StrategyName,
  strategyName,
} from './load-balancing.js';
export {
  LOAD_BALANCING_OPTIONS,
  type LoadBalancingOptions,
  type PriorityOptions,
  type ResolvedLoadBalancingOptions,
  type RouteOptions,
  type SlowStartOptions,
  type SubsetOptions,
  type ZoneOptions,
} from './load-balancing-options.js';
export { type EligibleResult, selectEligible, selectServing } from './selection/eligibility.js';
export {
  HASH_OPTIONS,
  type HashOptions,
  hashSourcesFor,
  type KeylessStrategyName,
  type ResolvedHashOptions,
} from './strategies/hash-options.js';
export { hashKeyOf, type HashRequest, type HashSource } from './strategies/hash-source.js';
export {
  DEFAULT_LOAD_TRACKER_OPTIONS,
  InstanceLoad,
  LoadTracker,
  type LoadTrackerOptions,
} from './load/load-tracker.js';
export { type Candidate, type PickArgs, type Strategy } from './strategies/strategy.js';
export {
  HASH_STRATEGIES,
  LOAD_STRATEGIES,
  LoadBalancingStrategy,
  type LoadBalancingStrategyName,
} from './strategies/strategy-names.js';
