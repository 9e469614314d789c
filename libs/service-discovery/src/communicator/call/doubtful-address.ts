import { type ErrorDetails, messageOf, ResponseStatusError, TransportError } from '../../common/index.js';

/**
 * The error of an attempt, with what may be wrong with the address of its instance where the error looks like it: nothing
 * listens there, or something that does not know the path.
 * @param doubtOf why the address may be wrong, to be read after "is"; undefined where nothing suggests so
 */
export function withDoubt(error: unknown, doubtOf: () => string | undefined): unknown {
  if (error instanceof TransportError && error.neverSent) {
    const hint = hintOf(doubtOf());
    return hint === undefined ? error : new TransportError(messageOf(error), true, detailsOf(error, hint), error.code);
  }
  if (error instanceof ResponseStatusError && error.status === 404) {
    const hint = hintOf(doubtOf());
    return hint === undefined ? error : new ResponseStatusError(404, error.headers, error.body, detailsOf(error, hint));
  }
  return error;
}

function hintOf(doubt: string | undefined): string | undefined {
  return doubt === undefined ? undefined : `the instance is ${doubt}`;
}

function detailsOf(error: TransportError | ResponseStatusError, hint: string): ErrorDetails {
  const { service, instanceId, request, attempts, retryAfterMs, cause } = error;
  return { service, instanceId, request, attempts, retryAfterMs, cause, hint };
}
