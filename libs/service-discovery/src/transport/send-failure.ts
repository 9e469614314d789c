import {
  certificateCode,
  type ErrorDetails,
  messageOf,
  nameOfRequest,
  tlsFailure,
  TransportError,
} from '../common/index.js';
import { HostNotAllowedError, type ServiceInstance } from '../model/index.js';

/** A request that failed below HTTP. */
interface FailedRequest {
  readonly error: unknown;
  readonly to: ServiceInstance;
  readonly sent: { readonly method: string; readonly path: string };
  readonly neverSent: boolean;
  /** What to add to the reason where the error itself says too little. */
  readonly hint: string;
}

/** `GET /users of users/a at 10.0.0.1:3000`, as errors name what was to be sent. */
export function targetText(to: ServiceInstance, sent: FailedRequest['sent']): string {
  return `${nameOfRequest(sent)} of ${to.serviceName}/${to.instanceId} at ${to.host}:${to.port}`;
}

/** What errors of such a request carry. */
export function targetDetails(to: ServiceInstance, sent: FailedRequest['sent'], cause: unknown): ErrorDetails {
  return { service: to.serviceName, instanceId: to.instanceId, request: nameOfRequest(sent), cause };
}

/** The error of a request that could not be sent, or got no response. */
export function sendFailure({ error, to, sent, neverSent, hint }: FailedRequest): TransportError {
  const code = error instanceof HostNotAllowedError ? error.code : certificateCode(error);
  const what = neverSent ? 'could not be sent' : 'got no response';
  const reason = tlsFailure(error) ?? messageOf(error) + hint;
  const message = `${targetText(to, sent)} ${what}: ${reason}${wayOut(code, neverSent)}`;
  return new TransportError(message, neverSent, targetDetails(to, sent, error), code);
}

function wayOut(code: string | undefined, neverSent: boolean): string {
  // The refusal of a host has its own.
  if (code === 'HOST_NOT_ALLOWED') return '';
  if (code === 'CERTIFICATE_REJECTED') return '. Renew the certificate, or correct what is expected of it (tls)';
  if (neverSent) return '. Check that it runs, and that this address is its own and can be reached from here';
  return '. Look in its log for why the connection broke';
}
