import { ServiceDiscoveryError } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';

/** The error for a call whose only instances do not speak HTTP. */
export function unsupportedProtocol(service: string, instances: readonly ServiceInstance[]): ServiceDiscoveryError {
  const spoken = [...new Set(instances.map(({ protocol }) => protocol))].sort().join(', ');
  return new ServiceDiscoveryError(
    'UNSUPPORTED_PROTOCOL',
    `Calls are HTTP, and "${service}" speaks ${spoken}: ` +
      `use discoverService('${service}') to get the address of an instance, and a client of that protocol`,
    { service },
  );
}
