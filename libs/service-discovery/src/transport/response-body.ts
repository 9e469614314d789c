import { Readable } from 'node:stream';
import { messageOf, ServiceDiscoveryError, TransportError, type ErrorDetails } from '../common/index.js';
import { type ResponseBody } from './transport.js';

/** Whose body it is, for errors. */
export interface BodySource {
  service?: string;
  instanceId?: string;
  /** The response's status. */
  status?: number;
  /** What aborts the call: once it has, reading rejects with its reason. */
  signal?: AbortSignal;
}

/** Up to here reading the rest is cheaper than a new connection; beyond it the connection is dropped. */
const DUMP_LIMIT_BYTES = 131_072;
const EXCERPT_LENGTH = 120;

/** Offers a response's stream as text, JSON or bytes. What was read is kept, so that it can be read in another form. */
export function bodyOf(stream: Readable, source: BodySource = {}): ResponseBody {
  return new StreamBody(stream, source);
}

/** Bytes that were read, given out as text, JSON or a stream any number of times: each taker has its own. */
export class ReadBody implements ResponseBody {
  private readable: Readable | undefined;

  constructor(
    private readonly content: ReadContent,
    private readonly source: BodySource = {},
  ) {}

  get stream(): Readable {
    this.readable ??= Readable.from(this.content.bytes.length === 0 ? [] : [Buffer.from(this.content.bytes)]);
    return this.readable;
  }

  bytes(): Promise<Uint8Array> {
    // A copy: `slice` of a Buffer would be a view of the same memory.
    return Promise.resolve(new Uint8Array(this.content.bytes));
  }

  text(): Promise<string> {
    return Promise.resolve(this.content.text);
  }

  async json<T = unknown>(): Promise<T> {
    return parseJson<T>(await this.text(), this.source);
  }

  dump(): Promise<void> {
    this.readable?.destroy();
    return Promise.resolve();
  }
}

/** The content of a body: decoded once, however many take it. */
export class ReadContent {
  private decoded: string | undefined;

  constructor(readonly bytes: Uint8Array) {}

  get text(): string {
    this.decoded ??= new TextDecoder().decode(this.bytes);
    return this.decoded;
  }
}

class StreamBody implements ResponseBody {
  private content: Promise<Uint8Array> | undefined;

  constructor(
    readonly stream: Readable,
    private readonly source: BodySource,
  ) {
    // A body that breaks off while nobody reads it is nobody's error; whoever reads it hears of it all the same.
    stream.on('error', () => undefined);
  }

  bytes(): Promise<Uint8Array> {
    this.content ??= this.read();
    return this.content;
  }

  async text(): Promise<string> {
    return new TextDecoder().decode(await this.bytes());
  }

  async json<T = unknown>(): Promise<T> {
    return parseJson<T>(await this.text(), this.source);
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
      // Nobody asked for this body, so it does not matter how it ends.
      stream.once('error', resolve).once('close', resolve).once('end', resolve);
      stream.resume();
    });
  }

  private async read(): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    try {
      for await (const chunk of this.stream as AsyncIterable<Uint8Array | string>) {
        chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
      }
    } catch (cause) {
      throw this.readFailure(cause);
    }
    return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
  }

  private readFailure(cause: unknown): unknown {
    const { signal } = this.source;
    if (signal?.aborted) return signal.reason;
    if (cause instanceof ServiceDiscoveryError) return cause;
    const message = `The response of ${originOf(this.source)} broke off: ${messageOf(cause)}`;
    return new TransportError(message, false, detailsOf(this.source, cause));
  }
}

function parseJson<T>(text: string, source: BodySource): T {
  if (text.trim() === '') return undefined as T;
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw notJson(text, source, cause);
  }
}

function notJson(text: string, source: BodySource, cause: unknown): ServiceDiscoveryError {
  const { status } = source;
  const answered = status === undefined ? 'answered' : `answered with status ${status} and`;
  const excerpt = text.length > EXCERPT_LENGTH ? `${text.slice(0, EXCERPT_LENGTH)}...` : text;
  return new ServiceDiscoveryError(
    'RESPONSE_BODY',
    `${originOf(source)} ${answered} a body that is no JSON: ${JSON.stringify(excerpt)}`,
    detailsOf(source, cause),
  );
}

function originOf({ service, instanceId }: BodySource): string {
  if (service === undefined) return 'the service';
  return instanceId === undefined ? service : `${service}/${instanceId}`;
}

function detailsOf({ service, instanceId }: BodySource, cause: unknown): ErrorDetails {
  return { service, instanceId, cause };
}
