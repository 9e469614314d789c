import { InvalidConfigurationError } from './errors.js';

/**
 * A duration: a string such as `'250ms'`, `'30s'`, `'5m'`, `'1h'`, `'2d'`, or a number of milliseconds. Most options
 * reject a number below 100, which was probably meant in seconds.
 *
 * Cast a string that is only known at run time, for example from a config service, with `as Duration`: it is validated
 * at startup.
 */
export type Duration = number | `${number}${DurationUnit}`;
type DurationUnit = 'ms' | 's' | 'm' | 'h' | 'd';

const UNIT_MS: Readonly<Record<DurationUnit, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const LARGEST_FIRST = Object.entries(UNIT_MS).reverse();

/** Parses a duration, or says why it is invalid. */
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
 * The problem with a number without a unit that was probably meant in seconds: 30 is 30 ms, which is rarely intended.
 * Undefined for anything else.
 */
export function bareNumberProblem(value: unknown): string | undefined {
  if (typeof value !== 'number' || !(value > 0 && value < FEWEST_BARE_MS)) return undefined;
  return `a unit: ${value} is ${value} ms; write '${value}ms' or '${value}s'`;
}

/** A hint for a number that is below a range, and would be within it as seconds. */
export function secondsMeant(value: unknown, minMs: number, maxMs: number): string {
  if (typeof value !== 'number' || value >= minMs || value * 1_000 < minMs || value * 1_000 > maxMs) return '';
  return ` (${value} is ${value} ms: did you mean '${value}s'?)`;
}

/** Formats milliseconds in the largest unit without a fraction: `90 s`. @param space between the number and its unit */
export function formatMs(ms: number, space = ' '): string {
  const [unit, size] = LARGEST_FIRST.find(([, size]) => ms >= size && ms % size === 0) ?? ['ms', 1];
  return `${ms / size}${space}${unit}`;
}

/** The milliseconds of a duration; NaN if invalid, so that comparisons are false. */
export function msOf(value: unknown): number {
  const parsed = parseDuration(value);
  return 'ms' in parsed ? parsed.ms : Number.NaN;
}

/**
 * The milliseconds of a duration.
 * @param path how the error refers to the value, such as `retry.baseDelay`
 * @throws InvalidConfigurationError if it is invalid
 */
export function toMs(value: Duration, path: string): number {
  const parsed = parseDuration(value);
  if ('problem' in parsed) throw new InvalidConfigurationError([{ path, value, expected: parsed.problem }]);
  return parsed.ms;
}
