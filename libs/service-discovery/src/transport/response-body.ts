import { type Readable } from 'node:stream';
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
    const text = await this.text();
    if (text.trim() === '') return undefined as T;
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw this.notJson(text, cause);
    }
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
    return new TransportError(
      `The response of ${this.origin()} broke off: ${messageOf(cause)}`,
      false,
      this.details(cause),
    );
  }

  private notJson(text: string, cause: unknown): ServiceDiscoveryError {
    const { status } = this.source;
    const answered = status === undefined ? 'answered' : `answered with status ${status} and`;
    const excerpt = text.length > EXCERPT_LENGTH ? `${text.slice(0, EXCERPT_LENGTH)}...` : text;
    return new ServiceDiscoveryError(
      'RESPONSE_BODY',
      `${this.origin()} ${answered} a body that is no JSON: ${JSON.stringify(excerpt)}`,
      this.details(cause),
    );
  }

  private origin(): string {
    const { service, instanceId } = this.source;
    if (service === undefined) return 'the service';
    return instanceId === undefined ? service : `${service}/${instanceId}`;
  }

  private details(cause: unknown): ErrorDetails {
    return { service: this.source.service, instanceId: this.source.instanceId, cause };
  }
}
