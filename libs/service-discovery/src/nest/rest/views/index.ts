/** What the API answers with, as JSON in snake_case. Times are ISO 8601, lengths of time seconds unless named `_ms`. */
export {
  type CallsView,
  type CircuitBreakerBody,
  toCircuitBreakerBody,
  toEjectionBody,
  toExplanationBody,
  toStageBody,
} from './calls-view.js';
export { type EventView, toEventView } from './event-view.js';
export {
  type AggregatedHealthView,
  type FaultView,
  type HealthCountsView,
  type HistoryView,
  type InstanceHealthView,
  type RegistryHealthView,
  type ServiceHealthView,
  type StatusReasonView,
  type StatusTransitionView,
  toAggregatedHealthView,
  toHealthCountsView,
  toHistoryView,
  toRegistryHealthView,
} from './health-view.js';
export { toInstanceView } from './instance-view.js';
export { type PatternView, toPatternView } from './pattern-view.js';
export { readableHealth } from './readable-health.js';
export {
  findListed,
  type ListedInstanceView,
  type ListRules,
  type ServiceListView,
  type ServiceView,
  toServiceListView,
  toServiceView,
} from './service-view.js';
export { healthWithoutData, instanceWithoutData, listWithoutData, serviceWithoutData } from './without-health-data.js';
