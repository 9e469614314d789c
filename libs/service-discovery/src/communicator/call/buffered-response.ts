import { ReadBody, ReadContent, withQuery } from '../../transport/index.js';
import { asPlainObject, type ServiceCallRequest, type PreparedRequest, type ServiceCallResponse } from '../request.js';

/** A response with its body read, so that it can be given to several callers, or again later. */
export interface BufferedResponse extends Omit<ServiceCallResponse, 'body'> {
  readonly content: ReadContent;
}

/** Reads the body, as the use that a call makes of its response. */
export async function buffer(
  response: ServiceCallResponse,
  { method, path }: PreparedRequest,
): Promise<BufferedResponse> {
  const { body, ...rest } = asPlainObject(response);
  const { instance, status } = rest;
  const source = { service: instance.serviceName, instanceId: instance.instanceId, method, path, status };
  return { ...rest, content: new ReadContent(await body.bytes(), source) };
}

/** A response of its own for one caller, who may read it or change it. */
export function replay({ content, ...response }: BufferedResponse): ServiceCallResponse {
  return { ...response, headers: structuredClone(response.headers), body: new ReadBody(content) };
}

/** What differs from call to call only so that calls can be told apart: it changes nothing of the answer. */
const CALL_HEADERS: ReadonlySet<string> = new Set([
  'x-request-deadline',
  'x-request-id',
  'x-correlation-id',
  'traceparent',
  'tracestate',
  'baggage',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
]);

/**
 * A text that is equal for requests whose answers are interchangeable; undefined where no two are: all but a GET without
 * a body. Every header counts that is not known to be of no account, above all those that say who asks.
 */
export function keyOfRequest(
  { key, clientIp, criteria }: ServiceCallRequest,
  prepared: PreparedRequest,
): string | undefined {
  const { method, path, query, headers, body } = prepared;
  if (method !== 'GET' || body !== undefined) return undefined;
  const counted = Object.entries(headers)
    .filter(([name]) => !CALL_HEADERS.has(name))
    // As they are sent: JSON has one and the same null for several numbers.
    .map(([name, value]) => [name, typeof value === 'number' ? String(value) : value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([withQuery(path, query), counted, key, clientIp, criteria]);
}
