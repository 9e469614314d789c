/** Decorators: they record metadata, which the app applies at runtime. */
export { currentSignal } from './current-signal.js';
export {
  DiscoverableService,
  discoverableOptionsOf,
  type DiscoverableServiceOptions,
  toRegistration,
} from './discoverable-service.js';
export { adopt, ResiliencePolicies } from './resilience-policies.js';
export {
  type AsyncMethod,
  ResilientCall,
  type ResilientCallOptions,
  type ResilientFallback,
} from './resilient-call.js';
export { type PathValue, type RouteTemplate } from './route-template.js';
export {
  bindServiceClient,
  isServiceClient,
  ServiceCall,
  type ServiceCallArgs,
  ServiceClient,
  type ServiceClientOptions,
  type ServiceMethod,
} from './service-client.js';
