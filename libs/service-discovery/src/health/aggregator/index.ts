/** What the health of all instances comes to, for each service and for all of them together. */
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
} from './aggregated-health.js';
export { HealthAggregator } from './health-aggregator.js';
export { type AggregatedRegistry } from './service-standings.js';
