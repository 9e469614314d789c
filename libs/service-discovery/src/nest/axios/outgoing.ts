import { Readable } from 'node:stream';
import { ServiceDiscoveryError } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { type RequestBody, type ServiceRequest } from '../../transport/index.js';

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** A line break would start a header, or a request, of the value's own; axios takes it out and sends the rest. */
const LINE_BREAK = /[\r\n\0]/;

/** @throws ServiceDiscoveryError `INVALID_REQUEST` for what axios would mend, or send half */
export function checkOutgoing({ headers, body }: ServiceRequest, to: ServiceInstance): void {
  for (const [name, value] of Object.entries(headers)) {
    const lines = Array.isArray(value) ? (value as readonly string[]) : [String(value)];
    if (!HEADER_NAME.test(name)) throw invalid(`the header name ${JSON.stringify(name)} is none`, to);
    if (lines.some((line) => LINE_BREAK.test(line))) throw invalid(`the header ${name} has a line break`, to);
  }
  if (body instanceof Readable && (body.destroyed || Readable.isDisturbed(body))) {
    throw invalid('its body is a stream that was read already', to);
  }
}

/** A body in a form that axios sends: an iterable becomes a stream. */
export function toAxiosBody(body: RequestBody | undefined): string | Uint8Array | Readable | undefined {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array || body instanceof Readable)
    return body;
  return Readable.from(body);
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
