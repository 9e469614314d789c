/** A URL as it may be shown: without who logs in, and without what stands in its query. */
export function withoutPassword(url: unknown): unknown {
  return cut(url, '', '');
}

/** The same for what is refused, where it has to be seen that something stood there. */
export function withMaskedPassword(url: unknown): unknown {
  return cut(url, '***@', '?***');
}

/** By the looks of a text, since what is wrong may be no URL at all. What is neither a text nor a `URL` stays as it is. */
function cut(url: unknown, login: string, query: string): unknown {
  const text = Object.prototype.toString.call(url) === '[object URL]' ? (url as URL).href : url;
  return typeof text === 'string' ? text.replace(/^([a-z-]*:\/*)?.*@/is, `$1${login}`).replace(/[?#].*$/s, query) : url;
}
