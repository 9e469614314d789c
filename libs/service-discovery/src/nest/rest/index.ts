/** The bundled REST API: controllers, the answers' shapes, who may call it. */
export { type ApiOptions, DEFAULT_API_OPTIONS, resolveApiOptions } from './api-options.js';
export { isLocalRequest, type PeerRequest } from './local-request.js';
export { type CircuitCommandView, ServiceDiscoveryCallsController } from './calls.controller.js';
export { ServiceDiscoveryInsightController } from './insight.controller.js';
export { ServiceDiscoveryFeedController } from './registry-feed.controller.js';
export { REST_CONTROLLERS, restControllers, restProviders } from './rest-api.js';
export { HiddenFromSwagger, ShowInSwagger } from './swagger.js';
export { type ErrorBody, type FieldProblem, type RestErrorCode } from './rest-error.js';
export {
  type HeartbeatView,
  type RegisteredView,
  ServiceDiscoveryController,
  type StatusView,
} from './service-discovery.controller.js';
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
  type RegistryHealthView,
  type ServiceHealthView,
  type StatusReasonView,
  type StatusTransitionView,
  type ServiceListView,
  type ServiceView,
  toHealthCountsView,
  toRegistryHealthView,
} from './views/index.js';
