/** The three forms of an HTTP date (RFC 9110, 5.6.7); the last one has no zone and means GMT. */
const IMF_FIXDATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const RFC_850_DATE = /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/;
const ASCTIME_DATE = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

/**
 * The wait that a `Retry-After` header asks for, in milliseconds: 0 for a date that has passed, undefined for what is
 * neither a whole number of seconds nor an HTTP date.
 * @param epochNow milliseconds since the Unix epoch
 */
export function parseRetryAfter(value: string | readonly string[] | undefined, epochNow: number): number | undefined {
  const text = (typeof value === 'string' ? value : value?.[0])?.trim();
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1_000, Number.MAX_SAFE_INTEGER);
  const at = parseHttpDate(text);
  return at === undefined ? undefined : Math.max(0, at - epochNow);
}

function parseHttpDate(text: string): number | undefined {
  let at = Number.NaN;
  if (IMF_FIXDATE.test(text) || RFC_850_DATE.test(text)) at = Date.parse(text);
  else if (ASCTIME_DATE.test(text)) at = Date.parse(`${text} GMT`);
  return Number.isNaN(at) ? undefined : at;
}

/**
 * When an error says that trying again may make sense, in milliseconds from now: its `retryAfterMs`, else the
 * `Retry-After` header of the answer that it stands for. As with its status, it goes by what the error looks like, so
 * that those of this library, of undici and of axios are understood.
 * @param epochNow milliseconds since the Unix epoch
 */
export function retryAfterOf(error: unknown, epochNow: number): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { retryAfterMs, headers, response } = error as {
    retryAfterMs?: unknown;
    headers?: unknown;
    response?: { headers?: unknown } | null;
  };
  if (typeof retryAfterMs === 'number' && retryAfterMs >= 0) return retryAfterMs;
  return parseRetryAfter(headerOf(headers ?? response?.headers, 'retry-after'), epochNow);
}

/**
 * The wait that a server asks for in gRPC's `grpc-retry-pushback-ms` header, in milliseconds; negative where it asks not
 * to be asked again, which an unreadable value means too (gRPC proposal A6). Undefined without the header.
 */
export function parsePushback(value: string | readonly string[] | undefined): number | undefined {
  const text = typeof value === 'string' ? value : value?.[0];
  if (text === undefined) return undefined;
  return /^\s*\d+\s*$/.test(text) ? Math.min(Number(text), Number.MAX_SAFE_INTEGER) : -1;
}

/** The pushback in the header of the answer that an error stands for, see {@link parsePushback}. */
export function pushbackOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { headers, response } = error as { headers?: unknown; response?: { headers?: unknown } | null };
  return parsePushback(headerOf(headers ?? response?.headers, 'grpc-retry-pushback-ms'));
}

function headerOf(headers: unknown, name: string): string | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined;
  const found: unknown = headers instanceof Headers ? headers.get(name) : (headers as Record<string, unknown>)[name];
  const value: unknown = Array.isArray(found) ? found[0] : found;
  return typeof value === 'string' ? value : undefined;
}
