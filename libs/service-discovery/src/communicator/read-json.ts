import { ResponseStatusError } from '../common/index.js';
import { type ServiceCallResponse } from './request.js';

const ERROR_BODY_LIMIT = 65_536;

/**
 * The JSON of a response; undefined where it has no body.
 * @throws ResponseStatusError for a status from 400 on, with the body in it; `RESPONSE_BODY` when it is no JSON
 */
export async function readJson<T>(
  service: string,
  { status, headers, body, instance, attempts }: ServiceCallResponse,
): Promise<T> {
  if (status < 400) return body.json<T>();
  const text = (await body.text()).slice(0, ERROR_BODY_LIMIT);
  throw new ResponseStatusError(status, headers, parseLeniently(text), {
    service,
    instanceId: instance.instanceId,
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
