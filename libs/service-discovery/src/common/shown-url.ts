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
