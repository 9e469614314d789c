import { nameOfRequest, ResponseStatusError } from '../common/index.js';
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
  const text = (await body.text()).slice(0, ERROR_BODY_LIMIT);
  const { serviceName: service, instanceId } = instance;
  throw new ResponseStatusError(status, headers, parseLeniently(text), {
    service,
    instanceId,
    request: nameOfRequest(request),
    attempts,
  });
}

function parseLeniently(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
