/** Whether a value is a plain object rather than an instance of a class, an array or a function. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  // Compared by structure: `structuredClone` returns objects of another realm under a test runner.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
