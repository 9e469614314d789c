/** The bundled REST API: controllers, the answers' shapes, who may call it. */
export {
  type AccessQuestion,
  type AccessRule,
  type Authorize,
  type Caller,
  type CallerKind,
  isLocalRequest,
  type JwtOptions,
  type PeerRequest,
} from './access/index.js';
export { type ApiOptions, DEFAULT_API_OPTIONS, API_OPTION_GROUP } from './api-options.js';
export { type ApiLimitOptions } from './limits/limit-options.js';
export { ServiceDiscoveryCallsController } from './calls.controller.js';
export { ServiceDiscoveryInsightController } from './insight.controller.js';
export { ServiceDiscoverySplitsController } from './splits.controller.js';
export { ServiceDiscoveryFeedController } from './registry-feed.controller.js';
export { registrationOf } from './registration-of.js';
export { REST_CONTROLLERS, restControllers, restProviders } from './rest-api.js';
export { HiddenFromSwagger, ShowInSwagger } from './swagger.js';
export { ServiceDiscoveryController } from './service-discovery.controller.js';
export type * as RestViews from './rest-views.js';
export { toHealthCountsView, toRegistryHealthView } from './views/index.js';
