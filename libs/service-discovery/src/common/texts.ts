/** A URL for display: without credentials and query. */
export function withoutPassword(url: unknown): unknown {
  return cut(url, '', '');
}

/** A rejected URL for display, with placeholders for the parts that were removed. */
export function withMaskedPassword(url: unknown): unknown {
  return cut(url, '***@', '?***');
}

/**
 * Works on the text, since a rejected value may not be a URL at all. Returns anything but strings and `URL`s unchanged.
 */
function cut(url: unknown, login: string, query: string): unknown {
  const text = Object.prototype.toString.call(url) === '[object URL]' ? (url as URL).href : url;
  return typeof text === 'string' ? text.replace(/^([a-z-]*:\/*)?.*@/is, `$1${login}`).replace(/[?#].*$/s, query) : url;
}

/** Replaces line breaks and other control characters by spaces, so that the text cannot forge a log line. */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
}

/** `retryAfterMs` → `retry_after_ms` */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Milliseconds as people read them, with three digits at most: `250 ms`, `1.5 s`, `30 s`, `10 min`, `36 h`. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const [unit, size] = ms < 120_000 ? ['s', 1_000] : ms < 7_200_000 ? ['min', 60_000] : ['h', 3_600_000];
  return `${Number((ms / size).toPrecision(3))} ${unit}`;
}

/** `1 service`, `2 services`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** What to do about a refusal that ends by itself. */
export function tryAgain(afterMs: number | undefined): string {
  return `Try again ${afterMs === undefined ? 'later' : `in ${durationText(afterMs)}`}`;
}

/** Parses JSON, and returns any other text as it is. */
export function parseLeniently(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
