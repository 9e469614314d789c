/** Aggregates the health of all instances, per service and overall. */
export {
  type AggregatedHealth,
  type AggregatedStatus,
  type Fault,
  type HealthCounts,
  type HealthSelection,
  type HealthSummary,
  type InstanceHealth,
  type RegistryHealth,
  type ServiceHealth,
  type ServiceStatusChange,
} from './aggregated-health.js';
export { HealthAggregator, type HealthAggregatorDeps } from './health-aggregator.js';
export {
  HEALTH_AGGREGATOR_OPTIONS,
  type HealthAggregatorOptions,
  type OverallFindings,
  type OverallRule,
  type OverallStatusRule,
} from './options.js';
export { type HealthChange } from './sum-up.js';
export { type AggregatedRegistry } from './service-statuses.js';
