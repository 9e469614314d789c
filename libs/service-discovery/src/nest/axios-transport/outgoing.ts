import { ServiceDiscoveryError } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { headerFault, isSpent, type OutgoingBody, type ServiceRequest } from '../../transport/index.js';

/** @throws ServiceDiscoveryError `INVALID_REQUEST` for what axios would mend, or send half: it takes a line break out */
export function checkOutgoing({ headers }: ServiceRequest, body: OutgoingBody, to: ServiceInstance): void {
  for (const [name, value] of Object.entries(headers)) {
    const fault = headerFault(name, value);
    if (fault === 'name') throw invalid(`the header name ${JSON.stringify(name)} is none`, to);
    if (fault === 'line_break') throw invalid(`the header ${name} has a line break`, to);
  }
  if (isSpent(body)) throw invalid('its body is a stream that was read already', to);
}

/** The request could never be sent as it is. */
export function invalid(
  why: string,
  { serviceName, instanceId }: ServiceInstance,
  cause?: unknown,
): ServiceDiscoveryError {
  const message = `The request to ${serviceName}/${instanceId} is not valid: ${why}`;
  return new ServiceDiscoveryError('INVALID_REQUEST', message, { service: serviceName, instanceId, cause });
}
