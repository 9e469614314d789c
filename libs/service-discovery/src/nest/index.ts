/** The library as a NestJS module: options, decorators, the REST API, health checks. */
export {
  type AsyncMethod,
  bindServiceClient,
  currentSignal,
  DiscoverableService,
  type DiscoverableServiceOptions,
  type PathValue,
  ResilientCall,
  type ResilientCallOptions,
  type ResilientFallback,
  type RouteTemplate,
  ServiceCall,
  type ServiceCallArgs,
  ServiceClient,
  type ServiceClientOptions,
  type ServiceMethod,
} from './decorators/index.js';
export {
  type AsyncFactoryOptions,
  defineServiceDiscoveryOptions,
  type ServiceDiscoveryAsyncOptions,
  type ServiceDiscoveryOptionsFactory,
} from './async-options.js';
export { currentDeadline, currentRequestId, type DeadlineCheck, type RequestIdOptions } from './incoming/index.js';
export {
  type AdvertiseOptions,
  type Environment,
  getServiceDiscoveryConfig,
  type PresetName,
  type ResolvedServiceDiscoveryOptions,
  resolveServiceDiscoveryOptions,
  type ServiceDiscoveryMode,
  type ServiceDiscoveryOptions,
  type ShutdownOptions,
  type TransportChoice,
  type TransportOptions,
} from './options/index.js';
export {
  type AccessQuestion,
  type AccessRule,
  type ApiLimitOptions,
  type ApiOptions,
  type Authorize,
  type Caller,
  type CallerKind,
  isLocalRequest,
  type JwtOptions,
  type PeerRequest,
  registrationOf,
  type RestViews,
  ServiceDiscoveryCallsController,
  ServiceDiscoveryController,
  ServiceDiscoveryFeedController,
  ServiceDiscoverySplitsController,
  ServiceDiscoveryInsightController,
  ShowInSwagger,
} from './rest/index.js';
export { type ReadinessCheck, ServiceReadiness } from './readiness/index.js';
export { type DiscoveryCriteria } from './discovery-criteria.js';
export { ServiceDiscovery, type ServiceEndpoint } from './service-discovery.js';
export { ServiceDiscoveryModule } from './service-discovery.module.js';
export {
  type HealthAnswer,
  ServiceDiscoveryHealthController,
  ServiceDiscoveryHealthIndicator,
  ServiceDiscoveryLivenessController,
  ServiceDiscoveryReadinessController,
  type ServiceHealthData,
  type ServiceHealthOptions,
} from './terminus/index.js';
export { UpstreamErrorFilter, type UpstreamErrorOptions } from './upstream-error.filter.js';
export { type WaitForServiceOptions } from './waiting/index.js';
export { CLOCK, RANDOM, REGISTRY_STORE, SERVICE_DISCOVERY_OPTIONS, TRANSPORT } from './tokens.js';
