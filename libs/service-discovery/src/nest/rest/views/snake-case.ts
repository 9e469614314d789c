import { isPlainObject, snakeCase } from '../../../common/index.js';

/**
 * `retryAfterMs` → `retry_after_ms`, for the names in plain objects and lists, however deep. Of what JSON cannot express, a function is told by its
 * name and a regular expression by its source; all else stays as it is.
 */
export function snakeCaseAll(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCaseAll);
  if (!isPlainObject(value)) return shownAsJson(value);
  return Object.fromEntries(
    Object.entries(value).map(([name, own]: [string, unknown]) => [snakeCase(name), snakeCaseAll(own)]),
  );
}

/** What JSON cannot express, as a text. */
export function shownAsJson(value: unknown): unknown {
  if (typeof value === 'function') return value.name === '' ? 'a function' : value.name;
  return value instanceof RegExp ? String(value) : value;
}
