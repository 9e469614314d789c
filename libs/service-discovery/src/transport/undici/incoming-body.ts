import { Readable } from 'node:stream';
import { type BodySource, excessOf, readFailure } from '../body-source.js';
import { ReadContent } from '../read-content.js';
import { bodyOf, DUMP_LIMIT_BYTES } from '../response-body.js';
import { type ResponseBody } from '../transport.js';
import { undici } from './load-undici.js';

/** The network side of a body. */
export interface BodyFlow {
  pause(): void;
  resume(): void;
  /** Aborts the request and closes its connection. */
  abort(reason: Error): void;
}

/** How much of a body is buffered before it is read; the rest waits in the network. The size of one socket read. */
const HOLD_LIMIT_BYTES = 65_536;

/** How a body is used: not decided yet, collected, streamed, or discarded. */
type Use = 'undecided' | 'collected' | 'streamed' | 'dumped';

/**
 * A response body as it arrives. Small bodies are complete before they are read, so chunks are collected from the
 * start, and a stream is created only on request.
 */
export class IncomingBody implements ResponseBody {
  arrived: ReadContent | undefined = undefined;
  private use: Use = 'undecided';
  /** What has arrived and is not streamed: mostly one chunk. */
  private first: Buffer | undefined = undefined;
  private others: Buffer[] | undefined = undefined;
  private size = 0;
  private hasEnded = false;
  /** The error that interrupted it. */
  private cause: unknown = undefined;
  private incoming: IncomingStream | undefined = undefined;
  /** The stream-based body, once the stream was requested. */
  private streamed: ResponseBody | undefined = undefined;
  private listeners: (() => void)[] | undefined = undefined;

  constructor(
    /** Cleared at the end, as is the cancellation: a response that is kept must not keep its call in memory. */
    private flow: BodyFlow | undefined,
    private readonly source: Omit<BodySource, 'signal'>,
    /** The cancellation of the call. */
    private cancellation: BodySource['signal'],
  ) {}

  get stream(): Readable {
    this.streamed ??= bodyOf(this.openStream(), this.sourceOfPart());
    return this.streamed.stream;
  }

  async text(): Promise<string> {
    return (this.arrived ?? (await this.read())).text;
  }

  async json<T = unknown>(): Promise<T> {
    return (this.arrived ?? (await this.read())).json<T>();
  }

  async bytes(): Promise<Uint8Array> {
    return (this.arrived ?? (await this.read())).bytes;
  }

  async dump(): Promise<void> {
    if (this.streamed) return this.streamed.dump();
    if (this.use === 'undecided') {
      this.use = 'dumped';
      this.forget();
      this.flow?.resume();
    }
    await this.untilEnd();
  }

  onEnd(listener: () => void): boolean {
    if (this.hasEnded) return false;
    (this.listeners ??= []).push(listener);
    return true;
  }

  /** Handles a chunk from the network. */
  push(chunk: Buffer): void {
    this.size += chunk.length;
    if (this.incoming) {
      if (!this.incoming.push(chunk)) this.flow?.pause();
    } else if (this.use === 'dumped') {
      if (this.size > DUMP_LIMIT_BYTES) this.flow?.abort(new Error('The rest of the body is not worth reading'));
    } else {
      if (this.first) (this.others ??= []).push(chunk);
      else this.first = chunk;
      if (this.use === 'undecided' && this.size >= HOLD_LIMIT_BYTES) this.flow?.pause();
      else if (this.use === 'collected') this.refuseExcess();
    }
  }

  private refuseExcess(): void {
    const excess = excessOf(this.source, this.size);
    if (excess) this.flow?.abort(excess);
  }

  /** The body is complete. */
  finish(): void {
    if (this.incoming) this.incoming.push(null);
    else if (this.use !== 'dumped') this.arrived = new ReadContent(this.joined(), this.source);
    this.cancellation = undefined;
    this.end();
  }

  /** The body was interrupted. This is an error only for a reader of the body. */
  fail(cause: unknown): void {
    this.cause = cause;
    this.incoming?.destroy(cause as Error);
    this.end();
  }

  private end(): void {
    const { listeners } = this;
    this.hasEnded = true;
    this.flow = undefined;
    this.forget();
    this.listeners = undefined;
    if (!listeners) return;
    for (const listener of listeners) listener();
    listeners.length = 0;
  }

  /** The source for errors while the body may still be interrupted. */
  private sourceOfPart(): BodySource {
    return { ...this.source, signal: this.cancellation };
  }

  private untilEnd(): Promise<void> {
    return new Promise((resolve) => {
      if (!this.onEnd(resolve)) resolve();
    });
  }

  private async read(): Promise<ReadContent> {
    if (this.use === 'streamed' && this.streamed) return new ReadContent(await this.streamed.bytes(), this.source);
    return this.collect();
  }

  private async collect(): Promise<ReadContent> {
    if (this.use === 'undecided') {
      this.use = 'collected';
      this.flow?.resume();
    }
    await this.untilEnd();
    if (this.arrived) return this.arrived;
    throw readFailure(this.sourceOfPart(), this.cause ?? new Error('The body was discarded'));
  }

  private openStream(): Readable {
    if (this.use !== 'undecided' || !this.flow) return Readable.from(this.content());
    this.use = 'streamed';
    this.incoming = new IncomingStream(this.flow);
    for (const chunk of this.chunks()) this.incoming.push(chunk);
    this.forget();
    return this.incoming;
  }

  /** The content again, after it was read or while it is being read. */
  private async *content(): AsyncGenerator<Uint8Array> {
    const { bytes } = this.arrived ?? (await this.collect());
    if (bytes.length > 0) yield bytes;
  }

  private chunks(): Buffer[] {
    return this.first ? [this.first, ...(this.others ?? [])] : [];
  }

  /** Lists are emptied, too: V8 may have come to allocate them in the old generation, see `PreparedRequest`. */
  private forget(): void {
    this.first = undefined;
    if (this.others) this.others.length = 0;
    this.others = undefined;
  }

  private joined(): Buffer {
    return this.first && !this.others ? this.first : Buffer.concat(this.chunks(), this.size);
  }
}

/** A body as a stream with backpressure to the network. Destroying it aborts the request. */
class IncomingStream extends Readable {
  constructor(private readonly flow: BodyFlow) {
    super({ highWaterMark: 65_536 });
  }

  override _read(): void {
    this.flow.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    const cause = error ?? (this.readableEnded ? null : new (undici().errors.RequestAbortedError)());
    if (cause) this.flow.abort(cause);
    callback(cause);
  }
}
