import { Readable } from 'node:stream';
import { type RequestBody } from '../../transport/index.js';

/** A body, and the headers that belong to it. */
export interface SentBody {
  readonly body: RequestBody | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A stream that brings its headers along, as that of the package `form-data` does. */
interface FormStream extends Readable {
  getHeaders(): Record<string, string>;
}

/** Converts a request's data, after axios's transforms, to a body. A form can be sent only once, so it is never retried. */
export function toRequestBody(data: unknown): SentBody {
  if (data === undefined || data === null) return { body: undefined };
  if (typeof data === 'string' || data instanceof Uint8Array) return { body: data };
  if (data instanceof ArrayBuffer) return { body: new Uint8Array(data) };
  if (data instanceof Readable) return { body: data, headers: isFormStream(data) ? data.getHeaders() : undefined };
  if (data instanceof FormData || data instanceof Blob) {
    // The fetch API encodes a form and generates its boundary.
    const { body, headers } = new Response(data);
    const contentType = headers.get('content-type');
    return {
      body: body ? Readable.fromWeb(body) : undefined,
      headers: contentType === null ? undefined : { 'content-type': contentType },
    };
  }
  return { body: JSON.stringify(data) };
}

function isFormStream(stream: Readable): stream is FormStream {
  return typeof (stream as Partial<FormStream>).getHeaders === 'function';
}
