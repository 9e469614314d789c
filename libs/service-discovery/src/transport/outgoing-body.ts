import { Readable } from 'node:stream';
import { type RequestBody } from './transport.js';

/** A request body in the form in which it is sent. */
export type OutgoingBody = string | Uint8Array | Readable | undefined;

/** Converts an iterable to a stream, so that it can be destroyed when the attempt fails. */
export function outgoingBodyOf(body: RequestBody | undefined): OutgoingBody {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array || body instanceof Readable) {
    return body;
  }
  return Readable.from(body);
}

/** Whether a body is a stream that has already been read, so that it cannot be sent. */
export function isSpent(body: OutgoingBody): boolean {
  return body instanceof Readable && (body.destroyed || Readable.isDisturbed(body));
}

/** Destroys a request body that is no longer needed, ignoring its errors. */
export function release(body: Readable): void {
  body.on('error', () => undefined);
  try {
    body.destroy();
  } catch {
    // A stream whose `destroy` throws; the request has failed in any case.
  }
}
