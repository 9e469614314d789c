import { Readable } from 'node:stream';
import {
  certificateCode,
  messageOf,
  nameOfRequest,
  ServiceDiscoveryError,
  tlsFailure,
  TransportError,
  unansweredHint,
} from '../../common/index.js';
import { HostNotAllowedError, type ServiceInstance } from '../../model/index.js';

/** Errors of requests that undici rejects before sending anything: an invalid header, a wrong content length. */
const REFUSED_CODES: ReadonlySet<string> = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
]);
const NETWORK_SYSCALLS: ReadonlySet<string> = new Set(['connect', 'getaddrinfo', 'read', 'write']);

/**
 * Converts an error of undici to the one that `send` throws.
 * @param neverSent whether undici never began to send the request
 * @param wasSilent whether its connection never got an answer to any request
 */
export function toFailure(
  error: unknown,
  to: ServiceInstance,
  sent: { readonly method: string; readonly path: string; readonly body: unknown },
  neverSent: boolean,
  wasSilent = false,
): ServiceDiscoveryError {
  const isRefused = error instanceof HostNotAllowedError;
  if (error instanceof ServiceDiscoveryError && !isRefused) return error;
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
  return new TransportError(
    `${subject} ${what}: ${reason}`,
    neverSent,
    details,
    isRefused ? error.code : certificateCode(error),
  );
}

/** On a network error undici destroys the body with that error; any other error comes from the body itself. */
function failedByItself(body: unknown, error: unknown, code: string): boolean {
  if (!(body instanceof Readable) || body.errored !== error) return false;
  return !code.startsWith('UND_ERR_') && !NETWORK_SYSCALLS.has(textOf(error, 'syscall'));
}

function textOf(error: unknown, property: 'code' | 'syscall'): string {
  const value = (error as Record<string, unknown> | null | undefined)?.[property];
  return typeof value === 'string' ? value : '';
}
