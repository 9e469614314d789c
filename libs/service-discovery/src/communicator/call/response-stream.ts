import { asCancellation, type Cancellation } from '../../common/index.js';
import { type CancelScope } from '../../resilience/index.js';
import { onBodyEnd, type ServiceResponse } from '../../transport/index.js';

/**
 * The body of a response outlives the call and its time limits; the caller's signal still ends it.
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

/** Discards a response that another attempt replaces, in the background; the attempt's own time bounds it. */
export function discard({ body }: ServiceResponse, attempt: CancelScope): void {
  void body
    .dump()
    .catch(() => undefined)
    .finally(() => attempt.dispose());
}
