import { Readable } from 'node:stream';
import { type BodySource, readFailure } from '../body-source.js';
import { ReadContent } from '../read-content.js';
import { bodyOf, DUMP_LIMIT_BYTES } from '../response-body.js';
import { type ResponseBody } from '../transport.js';
import { type BodyFlow } from './body-flow.js';
import { IncomingStream } from './incoming-stream.js';

/** How much is held of a body that nobody has asked for; the rest waits in the network. One read of a socket. */
const HOLD_LIMIT_BYTES = 65_536;

/** What becomes of a body: nobody has said yet, it is collected, goes through a stream, or is thrown away. */
type Use = 'undecided' | 'collected' | 'streamed' | 'dumped';

/**
 * A body as it comes in. Small ones are there as a whole before anybody can ask, so chunks are collected from the start,
 * and a stream is made only for who asks for one.
 */
export class IncomingBody implements ResponseBody {
  arrived: ReadContent | undefined = undefined;
  private use: Use = 'undecided';
  private chunks: Buffer[] = [];
  private size = 0;
  private hasEnded = false;
  /** What it broke off with. */
  private cause: unknown = undefined;
  private incoming: IncomingStream | undefined = undefined;
  /** The body as one with a stream, once it has one. */
  private streamed: ResponseBody | undefined = undefined;
  private listeners: (() => void)[] | undefined = undefined;

  constructor(
    /** Gone when nothing more comes, as is the cancellation: whoever keeps an answer must not keep its call. */
    private flow: BodyFlow | undefined,
    private readonly source: Omit<BodySource, 'signal'>,
    /** What aborts the call. */
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
      this.chunks = [];
      this.flow?.resume();
    }
    await this.untilEnd();
  }

  onEnd(listener: () => void): boolean {
    if (this.hasEnded) return false;
    (this.listeners ??= []).push(listener);
    return true;
  }

  /** Takes a chunk from the network. */
  push(chunk: Buffer): void {
    this.size += chunk.length;
    if (this.incoming) {
      if (!this.incoming.push(chunk)) this.flow?.pause();
    } else if (this.use === 'dumped') {
      if (this.size > DUMP_LIMIT_BYTES) this.flow?.abort(new Error('The rest of the body is not worth reading'));
    } else {
      this.chunks.push(chunk);
      if (this.use === 'undecided' && this.size >= HOLD_LIMIT_BYTES) this.flow?.pause();
    }
  }

  /** All of it has come. */
  finish(): void {
    if (this.incoming) this.incoming.push(null);
    else if (this.use !== 'dumped') this.arrived = new ReadContent(this.joined(), this.source);
    this.cancellation = undefined;
    this.end();
  }

  /** It broke off: nobody's error unless somebody reads it, and then he hears of it. */
  fail(cause: unknown): void {
    this.cause = cause;
    this.incoming?.destroy(cause as Error);
    this.end();
  }

  private end(): void {
    const { listeners } = this;
    this.hasEnded = true;
    this.flow = undefined;
    this.chunks = [];
    this.listeners = undefined;
    if (listeners) for (const listener of listeners) listener();
  }

  /** Whose body it is while it may break off. */
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
    throw readFailure(this.sourceOfPart(), this.cause ?? new Error('It was thrown away'));
  }

  private openStream(): Readable {
    if (this.use !== 'undecided' || !this.flow) return Readable.from(this.content());
    this.use = 'streamed';
    this.incoming = new IncomingStream(this.flow);
    for (const chunk of this.chunks) this.incoming.push(chunk);
    this.chunks = [];
    return this.incoming;
  }

  /** What was read, or is being read, once more. */
  private async *content(): AsyncGenerator<Uint8Array> {
    const { bytes } = this.arrived ?? (await this.collect());
    if (bytes.length > 0) yield bytes;
  }

  private joined(): Buffer {
    const [first] = this.chunks;
    return first && this.chunks.length === 1 ? first : Buffer.concat(this.chunks, this.size);
  }
}
