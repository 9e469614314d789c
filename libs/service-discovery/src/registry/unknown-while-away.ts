import { RegistryUnavailableError } from '../common/index.js';
import { type InstanceKey } from '../model/index.js';

/** The error for an instance that only the registry may know, while it is away. */
export function unknownWhileAway({ serviceName: service, instanceId }: InstanceKey): RegistryUnavailableError {
  const message = `The registry is unreachable, and "${instanceId}" of "${service}" is not in its last answer. Try again when it is back`;
  return new RegistryUnavailableError(message, { service, instanceId });
}
