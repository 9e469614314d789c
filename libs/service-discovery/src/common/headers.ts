/** A valid HTTP header name: a token of RFC 9110. */
export const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Headers that frame a message, or are meant for the next hop alone (RFC 9110, 7.6.1). */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** @param name in lower case */
export function isHopByHop(name: string): boolean {
  return HOP_BY_HOP.has(name);
}

/** The further headers that a `Connection` header says are for the next hop alone, in lower case. */
export function namesInConnection(value: unknown): string[] {
  const lines: readonly unknown[] = Array.isArray(value) ? value : [value];
  return lines.flatMap((line) => String(line).split(',')).map((name) => name.trim().toLowerCase());
}
