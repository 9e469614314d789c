import { asCancellation, type Cancellation } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { type CancelScope } from '../../resilience/index.js';
import { onBodyEnd, type ServiceResponse } from '../../transport/index.js';
import { type ServiceCallResponse } from '../request.js';

/** A response and the instance that gave it. */
export class CallResponse implements ServiceCallResponse {
  readonly status: number;
  readonly headers: ServiceResponse['headers'];
  readonly body: ServiceResponse['body'];

  constructor(
    { status, headers, body }: ServiceResponse,
    readonly instance: ServiceInstance,
    readonly attempts: number,
  ) {
    this.status = status;
    this.headers = headers;
    this.body = body;
  }
}

/**
 * Lets the caller's signal end the body, which outlives the call and its time limits.
 * @returns whether the body is open, and the attempt with it
 */
export function followCaller(
  { body }: ServiceResponse,
  caller: Cancellation | AbortSignal | undefined,
  attempt: CancelScope,
): boolean {
  if (!caller || !onBodyEnd(body, () => attempt.dispose())) return false;
  attempt.handOver(asCancellation(caller));
  return true;
}

/** Discards a response that another attempt replaces, in the background; bounded by the attempt's timeout. */
export function discard({ body }: ServiceResponse, attempt: CancelScope): void {
  void body
    .dump()
    .catch(() => undefined)
    .finally(() => attempt.dispose());
}
