import { finished, Readable } from 'node:stream';
import { type BodySource, excessOf, readFailure } from './body-source.js';
import { ReadContent } from './read-content.js';
import { type ResponseBody } from './transport.js';

/** Up to this size, reading the rest of a body is cheaper than a new connection; beyond it the connection is closed. */
export const DUMP_LIMIT_BYTES = 131_072;

/** Wraps the stream of a response. Its content is kept once read, so that it can be read again in another form. */
export function bodyOf(stream: Readable, source: BodySource = {}): ResponseBody {
  return new StreamBody(stream, source);
}

/**
 * Calls `listener` once when the body ends: it was read, dumped, or interrupted.
 * @returns false if it has already ended; `listener` is not called then
 */
export function onBodyEnd(body: ResponseBody, listener: () => void): boolean {
  if (body.arrived) return false;
  if (body.onEnd) return body.onEnd(listener);
  const { stream } = body;
  if (stream.destroyed || stream.readableEnded) return false;
  finished(stream, listener);
  return true;
}

class StreamBody implements ResponseBody {
  private content: Promise<ReadContent> | undefined;

  constructor(
    readonly stream: Readable,
    private readonly source: BodySource,
  ) {
    // An interrupted body must not be an unhandled error if it is never read; a reader gets the error from the stream.
    stream.on('error', () => undefined);
  }

  async bytes(): Promise<Uint8Array> {
    return (await this.read()).bytes;
  }

  async text(): Promise<string> {
    return (await this.read()).text;
  }

  async json<T = unknown>(): Promise<T> {
    return (await this.read()).json<T>();
  }

  async dump(): Promise<void> {
    const { stream } = this;
    if (stream.closed || stream.destroyed || stream.readableEnded) return;
    await new Promise<void>((resolve) => {
      let size = 0;
      stream.on('data', (chunk: Uint8Array | string) => {
        size += chunk.length;
        if (size > DUMP_LIMIT_BYTES) stream.destroy();
      });
      // The body is discarded, so an error does not matter.
      stream.once('error', resolve).once('close', resolve).once('end', resolve);
      stream.resume();
    });
  }

  private read(): Promise<ReadContent> {
    this.content ??= this.readAll();
    return this.content;
  }

  private async readAll(): Promise<ReadContent> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    try {
      for await (const chunk of this.stream as AsyncIterable<Uint8Array | string>) {
        size += chunk.length;
        const excess = excessOf(this.source, size);
        if (excess) throw excess;
        chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
      }
    } catch (cause) {
      throw readFailure(this.source, cause);
    }
    const bytes = chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
    return new ReadContent(bytes, this.source);
  }
}

/**
 * A body that has been read, available as text, JSON or a stream any number of times. Each result is a separate value.
 */
export class ReadBody implements ResponseBody {
  private readable: Readable | undefined;

  constructor(readonly arrived: ReadContent) {}

  get stream(): Readable {
    const { bytes } = this.arrived;
    this.readable ??= Readable.from(bytes.length === 0 ? [] : [Buffer.from(bytes)]);
    return this.readable;
  }

  bytes(): Promise<Uint8Array> {
    // `slice` of a Buffer would return a view of the same memory.
    return Promise.resolve(new Uint8Array(this.arrived.bytes));
  }

  text(): Promise<string> {
    return Promise.resolve(this.arrived.text);
  }

  async json<T = unknown>(): Promise<T> {
    return this.arrived.json<T>();
  }

  dump(): Promise<void> {
    this.readable?.destroy();
    return Promise.resolve();
  }
}
