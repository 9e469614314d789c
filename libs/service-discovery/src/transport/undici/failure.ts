import { Readable } from 'node:stream';
import {
  messageOf,
  nameOfRequest,
  ServiceDiscoveryError,
  tlsFailure,
  TransportError,
  unansweredHint,
} from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';

/** Undici refused the request before it did anything: a bad header, a body of another length than announced. */
const REFUSED_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
]);
const NETWORK_SYSCALLS: ReadonlySet<string> = new Set(['connect', 'getaddrinfo', 'read', 'write']);

/**
 * What `send` throws for what undici threw.
 * @param neverSent whether undici never began to send it: it got no connection
 * @param wasSilent whether it had a connection that never answered anything
 */
export function toFailure(
  error: unknown,
  to: ServiceInstance,
  sent: { readonly method: string; readonly path: string; readonly body: unknown },
  neverSent: boolean,
  wasSilent = false,
): ServiceDiscoveryError {
  if (error instanceof ServiceDiscoveryError) return error;
  const request = nameOfRequest(sent);
  const subject = `${request} of ${to.serviceName}/${to.instanceId} at ${to.host}:${to.port}`;
  const details = { service: to.serviceName, instanceId: to.instanceId, request, cause: error };
  const code = textOf(error, 'code');
  if (REFUSED_CODES.has(code)) {
    return new ServiceDiscoveryError('INVALID_REQUEST', `${subject} is not valid: ${messageOf(error)}`, details);
  }
  if (failedByItself(sent.body, error, code)) {
    return new ServiceDiscoveryError('INVALID_REQUEST', `The body of ${subject} failed: ${messageOf(error)}`, details);
  }
  const what = neverSent ? 'could not be sent' : 'got no response';
  const hint = to.protocol === 'https' && (neverSent || wasSilent) ? unansweredHint(error) : '';
  const reason = tlsFailure(error) ?? messageOf(error) + hint;
  return new TransportError(`${subject} ${what}: ${reason}`, neverSent, details);
}

/** Undici destroys the body with the network's error; any other error of the body is the body's own. */
function failedByItself(body: unknown, error: unknown, code: string): boolean {
  if (!(body instanceof Readable) || body.errored !== error) return false;
  return !code.startsWith('UND_ERR_') && !NETWORK_SYSCALLS.has(textOf(error, 'syscall'));
}

function textOf(error: unknown, property: 'code' | 'syscall'): string {
  const value = (error as Record<string, unknown> | null | undefined)?.[property];
  return typeof value === 'string' ? value : '';
}
