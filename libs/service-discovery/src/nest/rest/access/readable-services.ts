import { type ServiceInstance } from '../../../model/index.js';
import { type ServiceRegistry } from '../../../registry/index.js';
import { accessOf } from './request-access.js';

/** The services that the sender of a request may read, with the instances that calls may use. @throws RegistryUnavailableError */
export function readableServices(
  registry: ServiceRegistry,
  request: object,
): (readonly [name: string, instances: readonly ServiceInstance[]])[] {
  const access = accessOf(request);
  return [...registry.servedServices()].filter(([name]) => access.mayRead(name));
}
