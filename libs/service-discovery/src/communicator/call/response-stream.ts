import { finished } from 'node:stream';
import { type CancelScope } from '../../resilience/index.js';
import { type ServiceResponse } from '../../transport/index.js';

/**
 * The stream of a response outlives the call and its limits of time; the caller's signal ends it still.
 * @returns whether the stream is open, and the attempt with it
 */
export function followCaller(
  { body: { stream } }: ServiceResponse,
  signal: AbortSignal | undefined,
  attempt: CancelScope,
): boolean {
  if (!signal || stream.destroyed || stream.readableEnded) return false;
  attempt.handOver(signal);
  finished(stream, () => attempt.dispose());
  return true;
}

/** Throws a response away that another attempt replaces. Nobody waits for that; the attempt's own time bounds it. */
export function discard({ body }: ServiceResponse, attempt: CancelScope): void {
  void body
    .dump()
    .catch(() => undefined)
    .finally(() => attempt.dispose());
}
