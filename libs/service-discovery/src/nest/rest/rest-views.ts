/** The bodies of the REST API's answers. */
export { type CircuitCommandView } from './calls.controller.js';
export { type ErrorBody, type FieldProblem, type RestErrorCode } from './rest-error.js';
export { type HeartbeatView, type RegisteredView, type StatusView } from './service-discovery.controller.js';
export {
  type AggregatedHealthView,
  type CallsView,
  type CircuitBreakerBody,
  type EventView,
  type FaultView,
  type HealthCountsView,
  type HistoryView,
  type InstanceHealthView,
  type ListedInstanceView,
  type PatternView,
  type ServiceHealthView,
  type ServiceListView,
  type ServiceView,
  type StatusReasonView,
  type StatusTransitionView,
} from './views/index.js';
