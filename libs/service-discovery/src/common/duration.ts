import { InvalidConfigurationError } from './errors.js';

/**
 * A length of time: a string such as `'250ms'`, `'30s'`, `'5m'`, `'1h'`, `'2d'`, or a number of milliseconds. Most options
 * refuse a number below 100, which was most likely meant in seconds.
 *
 * A string that is only known at run time, such as one of a config service, is given `as Duration`: it is checked at the start.
 */
export type Duration = number | `${number}${DurationUnit}`;
type DurationUnit = 'ms' | 's' | 'm' | 'h' | 'd';

const UNIT_MS: Readonly<Record<DurationUnit, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Says why a value is no duration, or gives its milliseconds. */
export function parseDuration(value: unknown): { ms: number } | { problem: string } {
  if (typeof value === 'number') {
    return Number.isFinite(value) && value >= 0 ? { ms: value } : { problem: 'a number of milliseconds, 0 or more' };
  }
  const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(value.trim()) : null;
  if (!match) return { problem: "milliseconds as a number, or a string such as '250ms', '30s', '5m', '1h'" };
  const ms = Number(match[1]) * UNIT_MS[match[2] as DurationUnit];
  return Number.isFinite(ms) ? { ms } : { problem: 'a duration that is a finite number of milliseconds' };
}

const FEWEST_BARE_MS = 100;

/**
 * What to say of a number without a unit that was most likely meant in seconds: 30 is 30 ms, which is hardly meant where
 * seconds are usual. Undefined for all else.
 */
export function bareNumberProblem(value: unknown): string | undefined {
  if (typeof value !== 'number' || !(value > 0 && value < FEWEST_BARE_MS)) return undefined;
  return `a unit: ${value} is ${value} ms; write '${value}ms' or '${value}s'`;
}

/** What to say beside a range of a number that is too short for it, and would not be if it were seconds. */
export function secondsMeant(value: unknown, minMs: number, maxMs: number): string {
  if (typeof value !== 'number' || value >= minMs || value * 1_000 < minMs || value * 1_000 > maxMs) return '';
  return ` (${value} is ${value} ms: did you mean '${value}s'?)`;
}

/** In the greatest unit that needs no fraction: `90 s`. @param space between the number and its unit */
export function formatMs(ms: number, space = ' '): string {
  const units = Object.entries(UNIT_MS).reverse();
  const [unit, size] = units.find(([, size]) => ms >= size && ms % size === 0) ?? ['ms', 1];
  return `${ms / size}${space}${unit}`;
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
