import { Readable } from 'node:stream';
import { type RequestBody } from '../transport.js';

export type UndiciBody = string | Uint8Array | Readable | undefined;

/** An iterable becomes a stream, so that it too can be destroyed when the attempt fails. */
export function toUndiciBody(body: RequestBody | undefined): UndiciBody {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array || body instanceof Readable) {
    return body;
  }
  return Readable.from(body);
}

/** Destroys a body that nobody will read on; an error that it still has in store concerns nobody. */
export function release(body: Readable): void {
  body.on('error', () => undefined);
  body.destroy();
}
