import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { messageOf, ServiceDiscoveryError, TransportError } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { type ServiceRequest } from '../transport/index.js';
import { type FakeResponse } from './fake-transport.js';

/** A call as the handler of a {@link ServiceDiscoveryTestingModule} gets it. */
export interface HandledRequest {
  /** `GET`, `POST` … */
  readonly method: string;
  /** Without the query: `/users/1`. */
  readonly path: string;
  /** A parameter that is given several times is a list. */
  readonly query: Readonly<Record<string, string | readonly string[]>>;
  /** Names in lower case. */
  readonly headers: ServiceRequest['headers'];
  /** What was sent as JSON is parsed; else a text. Undefined: there is none. */
  readonly body: unknown;
}

/**
 * Answers the calls to a service, now or later. What it returns is the body of a 200: a text, bytes or a stream as they
 * are, anything else as JSON, undefined as no body; {@link reply} sets a status. What it throws counts as a request
 * without a response, `TRANSPORT_FAILURE`; a ServiceDiscoveryError is thrown as it is.
 */
export type ServiceHandler = (request: HandledRequest) => unknown;

/** The handlers by the names of their services. */
export type ServiceHandlers = Readonly<Record<string, ServiceHandler>>;

/** A status with a body, and headers if need be: see {@link reply}. */
export class Reply {
  constructor(
    readonly status: number,
    readonly body: unknown,
    readonly headers: FakeResponse['headers'],
  ) {}
}

/**
 * An answer with a status, for a {@link ServiceHandler}: `reply(404, { message: 'no such user' })`.
 * @param headers names in lower case. @default the content type of a JSON body, else none
 */
export function reply(status: number, body?: unknown, headers?: FakeResponse['headers']): Reply {
  return new Reply(status, body, headers);
}

/**
 * The answer of a handler to a request.
 * @throws TransportError with what the handler threw as its cause, unless that is a ServiceDiscoveryError
 */
export async function answerOf(
  handler: ServiceHandler,
  handled: HandledRequest,
  { serviceName: service, instanceId }: ServiceInstance,
): Promise<FakeResponse> {
  try {
    const answer = await handler(handled);
    return answer instanceof Reply ? answer : { body: answer };
  } catch (error) {
    if (error instanceof ServiceDiscoveryError) throw error;
    const message = `The handler of "${service}" failed: ${messageOf(error)}`;
    throw new TransportError(message, false, { service, instanceId, cause: error });
  }
}

/** A request in the form that handlers get. */
export async function toHandled({ method, path, query, headers, body }: ServiceRequest): Promise<HandledRequest> {
  const url = new URL(path, 'http://service');
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const one of [value].flat()) if (one !== undefined && one !== null) url.searchParams.append(name, String(one));
  }
  return { method, path: url.pathname, query: toRecord(url.searchParams), headers, body: await toBody(body, headers) };
}

function toRecord(params: URLSearchParams): HandledRequest['query'] {
  const names = [...new Set(params.keys())];
  return Object.fromEntries(
    names.map((name) => {
      const values = params.getAll(name);
      return [name, values.length === 1 ? values[0]! : values];
    }),
  );
}

async function toBody(body: ServiceRequest['body'], headers: ServiceRequest['headers']): Promise<unknown> {
  if (body === undefined) return undefined;
  const content =
    typeof body === 'string' ? body : await text(body instanceof Uint8Array ? Readable.from([body]) : body);
  return String(headers['content-type']).startsWith('application/json') ? (JSON.parse(content) as unknown) : content;
}
