import { counted, messageOf, nameOfRequest, ServiceDiscoveryError, TransportError } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';

/** Where a response body comes from, for errors. */
export interface BodySource {
  readonly service?: string;
  readonly instanceId?: string;
  /** Of the request. */
  readonly method?: string;
  readonly path?: string;
  /** The response's status. */
  readonly status?: number;
  /** How much of the body may be read into memory. @default {@link DEFAULT_MAX_RESPONSE_SIZE} */
  readonly maxBytes?: number;
  /** The signal of the call: once it has aborted, reading rejects with its reason. */
  readonly signal?: Pick<AbortSignal, 'aborted' | 'reason'>;
}

/** Of a response that an instance gave. A class, for the reason given at `PreparedRequest`. */
export class ResponseSource implements BodySource {
  readonly service: string;
  readonly instanceId: string;

  constructor(
    instance: ServiceInstance,
    readonly method: string,
    readonly path: string,
    readonly status: number,
    readonly maxBytes?: number,
  ) {
    this.service = instance.serviceName;
    this.instanceId = instance.instanceId;
  }
}

export const DEFAULT_MAX_RESPONSE_SIZE = 16 * 1024 * 1024;

const EXCERPT_LENGTH = 120;

/** The error for a body of which `size` bytes have come; undefined while that is not too much to read into memory. */
export function excessOf(source: BodySource, size: number): ServiceDiscoveryError | undefined {
  const { service, instanceId, maxBytes = DEFAULT_MAX_RESPONSE_SIZE } = source;
  if (size <= maxBytes) return undefined;
  const request = requestOf(source);
  return new ServiceDiscoveryError(
    'RESPONSE_TOO_LARGE',
    `${subjectOf(source)} answered with a body of more than ${counted(maxBytes, 'byte')}. Read it as a stream, or raise transport.maxResponseSize`,
    { service, instanceId, request },
  );
}

/** The error for a body that was interrupted while being read. */
export function readFailure(source: BodySource, cause: unknown): unknown {
  const { service, instanceId, signal } = source;
  if (signal?.aborted) return signal.reason;
  if (cause instanceof ServiceDiscoveryError) return cause;
  const request = requestOf(source);
  const what = request === undefined ? 'The response' : `The response to ${request}`;
  const message = `${what} of ${originOf(source)} was interrupted: ${messageOf(cause)}. Find out why the connection broke`;
  return new TransportError(message, false, { service, instanceId, request, cause });
}

/**
 * The parsed text; undefined if it is empty or whitespace.
 * @throws ServiceDiscoveryError `RESPONSE_BODY` if it is not JSON
 */
export function parseJson<T>(text: string, source: BodySource): T {
  if (text.trim() === '') return undefined as T;
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw notJson(text, source, cause);
  }
}

function notJson(text: string, source: BodySource, cause: unknown): ServiceDiscoveryError {
  const { service, instanceId, status } = source;
  const request = requestOf(source);
  const answered = status === undefined ? 'answered' : `answered with status ${status} and`;
  const excerpt = text.length > EXCERPT_LENGTH ? `${text.slice(0, EXCERPT_LENGTH)}...` : text;
  return new ServiceDiscoveryError(
    'RESPONSE_BODY',
    `${subjectOf(source)} ${answered} a body that is not JSON: ${JSON.stringify(excerpt)}. Ask it for JSON, or read the body as text`,
    { service, instanceId, request, cause },
  );
}

function subjectOf(source: BodySource): string {
  const request = requestOf(source);
  return request === undefined ? originOf(source) : `${request} of ${originOf(source)}`;
}

function requestOf({ method, path }: BodySource): string | undefined {
  return method === undefined || path === undefined ? undefined : nameOfRequest({ method, path });
}

function originOf({ service, instanceId }: BodySource): string {
  if (service === undefined) return 'the service';
  return instanceId === undefined ? service : `${service}/${instanceId}`;
}
