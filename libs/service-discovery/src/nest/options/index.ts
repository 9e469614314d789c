/** Settings: options, environment and presets laid over each other, and checked all at once. */
export { type Environment } from './environment.js';
export { withoutSecrets } from './groups.js';
export { lacksValue } from './layers.js';
export {
  type AdvertiseOptions,
  DEFAULT_REDIS_URL,
  type HealthOptions,
  isAxios,
  type PresetName,
  type ResolvedServiceDiscoveryOptions,
  type ServiceDiscoveryMode,
  type ServiceDiscoveryOptions,
  type ShutdownOptions,
  type AxiosTransportOptions,
  type TransportChoice,
  type TransportOptions,
} from './options.js';
export { getServiceDiscoveryConfig } from './presets.js';
export { resolveServiceDiscoveryOptions } from './resolve.js';
