/** The registry as one process sees it: its registrations and leases, and a snapshot that follows the store. */
export {
  type GenerationOptions,
  type RegisteredInstance,
  type RegisterOptions,
  SERVICE_REGISTRY_OPTIONS,
  type ServiceRegistryOptions,
} from './options.js';
export { type ListedGateway, ListedGateways, readListedGateways } from './listed/listed-gateways.js';
export { ListedInstances } from './listed/listed-instances.js';
export {
  type ListedService,
  type ListedTarget,
  readListedServices,
  readMeshServices,
} from './listed/listed-services.js';
export { RolloutDriver, type RolloutFigures } from './rollout-driver.js';
export { ROLLOUT_OPTIONS } from './rollout-options.js';
export { type OwnInstancesReport } from './own-instances.js';
export { SHUTDOWN_REASON } from './registry-writes.js';
export { unknownWhileAway } from './unknown-while-away.js';
export {
  type RegisteredService,
  ServiceRegistry,
  type ServiceRegistryDeps,
  type SnapshotListener,
} from './service-registry.js';
