import { Readable } from 'node:stream';
import { type ReadContent } from './read-content.js';
import { type ResponseBody } from './transport.js';

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
