import { type BodySource, parseJson } from './body-source.js';

const BYTE_ORDER_MARK = 0xfeff;

/** The content of a body, all of it. */
export class ReadContent {
  private decoded: string | undefined;

  /** @param bytes not to be written to: others have them too */
  constructor(
    readonly bytes: Uint8Array,
    private readonly source: BodySource = {},
  ) {}

  /** Decoded once, however many take it. */
  get text(): string {
    this.decoded ??= decodeUtf8(this.bytes);
    return this.decoded;
  }

  /**
   * Parsed anew for each taker; undefined when it is empty.
   * @throws ServiceDiscoveryError `RESPONSE_BODY` when it is no JSON
   */
  json<T>(): T {
    // A text that is kept costs the garbage collector more than all else of a long body, and few ask for it, too.
    return parseJson<T>(this.decoded ?? decodeUtf8(this.bytes), this.source);
  }
}

/** What a `TextDecoder` gives, without one of them for each text. */
function decodeUtf8(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString();
  return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
}
