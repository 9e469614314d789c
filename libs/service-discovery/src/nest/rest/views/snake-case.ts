/** `retryAfterMs` → `retry_after_ms` */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** The same for the names in plain objects and lists, however deep; texts and whatever else there is stay as they are. */
export function snakeCaseAll(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCaseAll);
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, own]: [string, unknown]) => [snakeCase(name), snakeCaseAll(own)]),
  );
}
