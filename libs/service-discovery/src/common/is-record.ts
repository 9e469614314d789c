/**
 * Whether a value holds others by name: an object that is no list, and nothing that holds its own in another way, as a Map or a
 * Promise. What `import * as` makes of an ES module does.
 */
export function isRecord(value: unknown): value is Record<string, unknown> {
  const kind = Object.prototype.toString.call(value);
  return kind === '[object Object]' || kind === '[object Module]';
}
