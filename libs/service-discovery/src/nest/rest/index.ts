/** The bundled REST API: controllers, the answers' shapes, who may call it. */
export { type ApiOptions, DEFAULT_API_OPTIONS, resolveApiOptions } from './api-options.js';
export { type ApiLimitOptions } from './limits/limit-options.js';
export { isLocalRequest, type PeerRequest } from './access/index.js';
export { ServiceDiscoveryCallsController } from './calls.controller.js';
export { ServiceDiscoveryInsightController } from './insight.controller.js';
export { ServiceDiscoveryFeedController } from './registry-feed.controller.js';
export { REST_CONTROLLERS, restControllers, restProviders } from './rest-api.js';
export { HiddenFromSwagger, ShowInSwagger } from './swagger.js';
export { ServiceDiscoveryController } from './service-discovery.controller.js';
export type * as RestViews from './rest-views.js';
export {
  type HealthCountsView,
  type RegistryHealthView,
  toHealthCountsView,
  toRegistryHealthView,
} from './views/index.js';
