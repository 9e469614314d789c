/**
 * Whether a value is an object with named fields: not an array, nor a container such as a Map or a Promise. A module
 * namespace (`import * as`) is one.
 */
export function isRecord(value: unknown): value is Record<string, unknown> {
  const kind = Object.prototype.toString.call(value);
  return kind === '[object Object]' || kind === '[object Module]';
}
