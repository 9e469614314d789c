import { ServiceDiscoveryError } from '../common/index.js';
import { isHttp, type ServiceInstance } from '../model/index.js';

/** The error for a call whose only instances do not speak HTTP, or speak it without the TLS that is required. */
export function unsupportedProtocol(service: string, instances: readonly ServiceInstance[]): ServiceDiscoveryError {
  if (instances.every(({ protocol }) => isHttp(protocol))) {
    const message = `requireTls allows calls over https alone, and "${service}" is registered with http: give its server a certificate and register it with https`;
    return new ServiceDiscoveryError('UNSUPPORTED_PROTOCOL', message, { service });
  }
  const spoken = [...new Set(instances.map(({ protocol }) => protocol))].sort().join(', ');
  return new ServiceDiscoveryError(
    'UNSUPPORTED_PROTOCOL',
    `Calls are HTTP, and "${service}" speaks ${spoken}: ` +
      `use discoverService('${service}') to get the address of an instance, and a client of that protocol`,
    { service },
  );
}
