import { ServiceDiscoveryError } from '../../common/index.js';

/** The error of a call that is ended by shutdown. */
export function closedError(service: string, cause?: unknown): ServiceDiscoveryError {
  const message = 'The communicator is closed: the application shuts down';
  return new ServiceDiscoveryError('ABORTED', message, { service, cause });
}
