import { nameOfRequest, parseLeniently, ResponseStatusError } from '../common/index.js';
import { ReadContent, type ResponseBody } from '../transport/index.js';
import { type PreparedRequest, type ServiceCallResponse } from './request.js';

const ERROR_BODY_LIMIT = 65_536;

/**
 * Parses the JSON body of a response; undefined if there is no body.
 * @throws ResponseStatusError, including the body, for a status of 400 or above; `RESPONSE_BODY` if it is not JSON
 */
export function readJson<T>(response: ServiceCallResponse, request: PreparedRequest): Promise<T> | T {
  const { status, body } = response;
  if (status >= 400) return throwStatus(response, request);
  // Usually the body arrived together with the headers, so there is nothing to wait for.
  return body.arrived ? body.arrived.json<T>() : body.json<T>();
}

async function throwStatus(
  { status, headers, body, instance, attempts }: ServiceCallResponse,
  request: PreparedRequest,
): Promise<never> {
  const text = await startOf(body);
  const { serviceName: service, instanceId } = instance;
  throw new ResponseStatusError(status, headers, parseLeniently(text), {
    service,
    instanceId,
    request: nameOfRequest(request),
    attempts,
  });
}

/** The text of a body, up to the limit; of a longer one the rest is not read, and its connection is closed. */
async function startOf(body: ResponseBody): Promise<string> {
  if (body.arrived) return body.arrived.text.slice(0, ERROR_BODY_LIMIT);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body.stream as AsyncIterable<Uint8Array | string>) {
      chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
      size += chunk.length;
      if (size > ERROR_BODY_LIMIT) break;
    }
  } catch {
    // Rejects with what interrupted it, in the words of the transport.
    return body.text();
  }
  return new ReadContent(Buffer.concat(chunks)).text.slice(0, ERROR_BODY_LIMIT);
}
