import { Readable } from 'node:stream';
import { type RequestBody } from './transport.js';

/** A body as it is sent. */
export type OutgoingBody = string | Uint8Array | Readable | undefined;

/** An iterable becomes a stream, so that it too can be destroyed when the attempt fails. */
export function outgoingBodyOf(body: RequestBody | undefined): OutgoingBody {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array || body instanceof Readable) {
    return body;
  }
  return Readable.from(body);
}

/** Whether a body is a stream that was read already, so that there is nothing left to send. */
export function isSpent(body: OutgoingBody): boolean {
  return body instanceof Readable && (body.destroyed || Readable.isDisturbed(body));
}

/** Destroys a body that nobody will read on; an error that it still has in store concerns nobody. */
export function release(body: Readable): void {
  body.on('error', () => undefined);
  try {
    body.destroy();
  } catch {
    // One of a class whose `destroy` throws: the request has failed all the same.
  }
}
