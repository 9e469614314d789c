import { type BodySource, parseJson } from './body-source.js';

const BYTE_ORDER_MARK = 0xfeff;

/** The complete content of a body. */
export class ReadContent {
  private decoded: string | undefined;

  /** @param bytes shared, so they must not be modified */
  constructor(
    readonly bytes: Uint8Array,
    private readonly source: BodySource = {},
  ) {}

  /** Decoded once. */
  get text(): string {
    this.decoded ??= decodeUtf8(this.bytes);
    return this.decoded;
  }

  /**
   * Parsed on each call; undefined if it is empty.
   * @throws ServiceDiscoveryError `RESPONSE_BODY` if it is not JSON
   */
  json<T>(): T {
    // The decoded text is not kept: for a long body that would cost the garbage collector more than decoding it again.
    return parseJson<T>(this.decoded ?? decodeUtf8(this.bytes), this.source);
  }
}

/** Decodes like a `TextDecoder`, without creating one for each text. */
function decodeUtf8(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString();
  return text.charCodeAt(0) === BYTE_ORDER_MARK ? text.slice(1) : text;
}
