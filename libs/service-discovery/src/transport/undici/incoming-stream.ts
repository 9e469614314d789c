import { Readable } from 'node:stream';
import { type Dispatcher, errors } from 'undici';

/** A body as a stream that holds the network back while nobody reads, and ends the request when it is destroyed. */
export class IncomingStream extends Readable {
  constructor(private readonly controller: Dispatcher.DispatchController) {
    super({ highWaterMark: 65_536 });
  }

  override _read(): void {
    this.controller.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const cause = error ?? (this.readableEnded ? null : new errors.RequestAbortedError());
    if (cause) this.controller.abort(cause);
    callback(cause);
  }
}
