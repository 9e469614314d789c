import { ReadBody, ReadContent, ResponseSource, withQuery } from '../../transport/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { type ServiceCallRequest, type PreparedRequest, type ServiceCallResponse } from '../request.js';
import { CallResponse } from './call-response.js';

/**
 * A response with its body read, so that several callers, or later ones, can receive it. Its fields are copied one by one,
 * since V8 allocates a hidden class in the old generation for each copy of an object that a rest pattern made.
 */
export class BufferedResponse {
  readonly status: number;
  readonly headers: ServiceCallResponse['headers'];
  readonly instance: ServiceInstance;
  readonly attempts: number;

  constructor(
    { status, headers, instance, attempts }: ServiceCallResponse,
    readonly content: ReadContent,
  ) {
    this.status = status;
    this.headers = headers;
    this.instance = instance;
    this.attempts = attempts;
  }
}

/** Reads the body; the `consume` of a call whose response is shared or kept. */
export async function buffer(
  response: ServiceCallResponse,
  { method, path }: PreparedRequest,
): Promise<BufferedResponse> {
  const { instance, status } = response;
  const source = new ResponseSource(instance, method, path, status);
  return new BufferedResponse(response, new ReadContent(await response.body.bytes(), source));
}

/** A copy for one caller, who may read or modify it. */
export function replay({ status, headers, instance, attempts, content }: BufferedResponse): ServiceCallResponse {
  const copy = { status, headers: structuredClone(headers), body: new ReadBody(content) };
  return new CallResponse(copy, instance, attempts);
}

/**
 * Whether other callers may get the response, now or later: not one that sets a cookie, nor one that its server keeps out
 * of shared caches (RFC 9111: `private`, `no-store`).
 */
export function isShareable({ headers }: BufferedResponse): boolean {
  if (headers['set-cookie'] !== undefined) return false;
  const control = headers['cache-control'];
  return control === undefined || !/(?:^|,)\s*(?:private|no-store)\s*(?:[,=]|$)/i.test(String(control));
}

/**
 * Headers that only identify a call, and do not affect the answer. `baggage` is none of them: applications carry users and
 * tenants in it.
 */
const CALL_HEADERS: ReadonlySet<string> = new Set([
  'x-request-deadline',
  'x-request-id',
  'request-id',
  'x-correlation-id',
  'traceparent',
  'tracestate',
  'b3',
  'x-b3-traceid',
  'x-b3-spanid',
  'x-b3-parentspanid',
  'x-b3-sampled',
  'x-b3-flags',
]);

/**
 * Equal for requests whose answers are interchangeable; undefined for all but a GET without a body, whose answers never are.
 * Every header counts unless it is known not to matter; above all, those that identify the caller do.
 */
export function keyOfRequest(
  { key, clientIp, criteria }: ServiceCallRequest,
  prepared: PreparedRequest,
): string | undefined {
  const { method, path, query, headers, body } = prepared;
  if (method !== 'GET' || body !== undefined) return undefined;
  const counted = Object.entries(headers)
    .filter(([name]) => !CALL_HEADERS.has(name))
    // As they are sent: JSON turns NaN and the infinities into the same null.
    .map(([name, value]) => [name, typeof value === 'number' ? String(value) : value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([withQuery(path, query), counted, key, clientIp, criteria]);
}
