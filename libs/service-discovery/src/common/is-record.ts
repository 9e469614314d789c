/** Whether a value holds others by name: an object that is no list, and nothing that holds its own in another way, as a Map or a Promise. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === '[object Object]';
}
