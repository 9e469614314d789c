import { InvalidConfigurationError } from './errors.js';

/** A length of time: a number of milliseconds, or a string such as `'250ms'`, `'30s'`, `'5m'`, `'1h'`. */
export type Duration = number | string;

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Says why a value is no duration, or gives its milliseconds. */
export function parseDuration(value: unknown): { ms: number } | { problem: string } {
  if (typeof value === 'number') {
    return Number.isFinite(value) && value >= 0 ? { ms: value } : { problem: 'a number of milliseconds, 0 or more' };
  }
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(value.trim()) : null;
  if (!match) return { problem: "milliseconds as a number, or a string such as '250ms', '30s', '5m', '1h'" };
  const ms = Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? Number.NaN);
  return Number.isFinite(ms) ? { ms } : { problem: 'a duration that is a finite number of milliseconds' };
}

/** The milliseconds of a duration; NaN for what is none, so that a comparison with it is false. */
export function msOf(value: unknown): number {
  const parsed = parseDuration(value);
  return 'ms' in parsed ? parsed.ms : Number.NaN;
}

/**
 * The milliseconds of a duration.
 * @param path what to call the value in the error, such as `retry.baseDelay`
 * @throws InvalidConfigurationError when it is no duration
 */
export function toMs(value: Duration, path: string): number {
  const parsed = parseDuration(value);
  if ('problem' in parsed) throw new InvalidConfigurationError([{ path, value, expected: parsed.problem }]);
  return parsed.ms;
}
