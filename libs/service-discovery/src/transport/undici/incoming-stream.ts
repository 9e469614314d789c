import { Readable } from 'node:stream';
import { errors } from 'undici';
import { type BodyFlow } from './body-flow.js';

/** A body as a stream that holds the network back while nobody reads, and ends the request when it is destroyed. */
export class IncomingStream extends Readable {
  constructor(private readonly flow: BodyFlow) {
    super({ highWaterMark: 65_536 });
  }

  override _read(): void {
    this.flow.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const cause = error ?? (this.readableEnded ? null : new errors.RequestAbortedError());
    if (cause) this.flow.abort(cause);
    callback(cause);
  }
}
