import {
  isPlainObject,
  messageOf,
  nameOfRequest,
  parseLeniently,
  ResponseStatusError,
  ServiceDiscoveryError,
} from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';

/** The `request` of an axios response that came through discovery. */
export class DiscoveredRequest {
  readonly service: string;

  constructor(
    readonly instance: ServiceInstance,
    readonly attempts: number,
    readonly method: string,
    readonly path: string,
  ) {
    this.service = instance.serviceName;
  }
}

/** What is read of an `AxiosError`, without loading axios in apps that do not have it. */
interface AxiosFailure {
  readonly cause?: unknown;
  readonly response?: {
    readonly status: number;
    readonly headers: ResponseStatusError['headers'];
    readonly data: unknown;
    readonly request?: unknown;
  };
}

/**
 * The error that `ServiceCommunicator` throws for the same failure, for an `AxiosError` of a call that went through discovery.
 * @returns undefined for any other error, such as an `AxiosError` of a call to another host
 */
export function failureOfAxios(error: unknown): ServiceDiscoveryError | undefined {
  if (!isAxiosError(error)) return undefined;
  const { cause, response } = error;
  if (cause instanceof ServiceDiscoveryError) return cause;
  if (!(response?.request instanceof DiscoveredRequest)) return undefined;
  const { status, headers, data, request } = response;
  const { service, instance, attempts } = request;
  // Without the error as its cause: that holds the headers of the request, which do not belong in a log.
  const details = { service, instanceId: instance.instanceId, attempts, request: nameOfRequest(request) };
  return status < 300
    ? new ServiceDiscoveryError('RESPONSE_BODY', messageOf(error), details)
    : new ResponseStatusError(status, headers, bodyOf(data), details);
}

function isAxiosError(error: unknown): error is AxiosFailure {
  return error instanceof Error && 'isAxiosError' in error && error.isAxiosError === true;
}

/** By `responseType`, axios has left JSON as a text or as bytes. A stream is not read. */
function bodyOf(data: unknown): unknown {
  if (typeof data === 'string') return parseLeniently(data);
  if (Buffer.isBuffer(data)) return parseLeniently(data.toString());
  return isPlainObject(data) || Array.isArray(data) ? data : undefined;
}
