const SECRET_NAME = /password|secret|key|token|credential/i;
/** Values that are secrets under any name: credentials in URLs and headers, JSON Web Tokens, private keys, access keys. */
const SECRET_VALUE =
  /:\/\/[^/\s:@]*:[^/\s@]+@|\b(?:Bearer|Basic)\s+[\w+/=.~-]{8,}|\beyJ[\w-]{8,}\.[\w-]+\.|-----BEGIN [A-Z ]*PRIVATE KEY|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/i;
const MASK = '***';
/** Deeper than anything that is meant to be read; guards the stack against hostile nesting. */
const DEPTH_LIMIT = 32;

/** A copy of a JSON value in which everything under a name that sounds like a secret, and every text that looks like one, is replaced by `***`. */
export function maskSecrets(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return SECRET_VALUE.test(value) ? MASK : value;
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEPTH_LIMIT) return MASK;
  if (Array.isArray(value)) return value.map((item) => maskSecrets(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, SECRET_NAME.test(name) ? MASK : maskSecrets(item, depth + 1)]),
  );
}

/** A copy of what an instance says of its checks without the values of headers: a secret may go by any name there. */
export function maskHeaders(healthCheck: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const { headers } = healthCheck;
  if (typeof headers !== 'object' || headers === null) return healthCheck;
  return { ...healthCheck, headers: Object.fromEntries(Object.keys(headers).map((name) => [name, MASK])) };
}
