/** Whether a value is an object of values by name, rather than an instance of a class, a list or a function. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  // Not by identity: a copy by structuredClone is of another realm where a test runner makes one for each file.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
