import { type AnyOptionGroup, isPlainObject, msOf, snakeCase } from '../../../common/index.js';
import { COMMUNICATOR_OPTIONS } from '../../../communicator/index.js';

/** The options of calls that are durations, as they may be given: numbers of milliseconds, or texts. */
const DURATIONS: ReadonlySet<string> = new Set(durationsIn(COMMUNICATOR_OPTIONS));

function durationsIn({ options }: AnyOptionGroup): string[] {
  return Object.entries(options).flatMap(([name, { kind, inner }]) => [
    ...(kind === 'duration' ? [name] : []),
    ...(inner ? durationsIn(inner) : []),
  ]);
}

/** Settings of calls as JSON: names in snake_case, durations in seconds, whatever way they were given. */
export function toSettingsView(settings: object): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]: [string, unknown]) => {
      // What is settled is in milliseconds, and says so in its name.
      const inMs = typeof value === 'number' && name.endsWith('Ms');
      return inMs
        ? [snakeCase(name.slice(0, -2)), value / 1_000]
        : [snakeCase(name), DURATIONS.has(name) ? toSeconds(value) : toValueView(value)];
    }),
  );
}

function toValueView(value: unknown): unknown {
  return isPlainObject(value) ? toSettingsView(value) : shownAsJson(value);
}

function toSeconds(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toSeconds);
  const ms = msOf(value);
  return Number.isNaN(ms) ? toValueView(value) : ms / 1_000;
}

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
function shownAsJson(value: unknown): unknown {
  if (typeof value === 'function') return value.name === '' ? 'a function' : value.name;
  return value instanceof RegExp ? String(value) : value;
}
