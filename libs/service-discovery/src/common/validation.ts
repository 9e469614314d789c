import { isSignal } from './abort.js';
import { bareNumberProblem, formatMs, parseDuration, secondsMeant } from './duration.js';
import { InvalidConfigurationError, type Problem } from './errors.js';
import { isPlainObject, isRecord } from './values.js';
import { suggestOption } from './suggest.js';

export interface NumberRange {
  /** Inclusive minimum. @default no limit */
  min?: number;
  /** Inclusive maximum. @default no limit */
  max?: number;
  /** Whether fractions are rejected. @default false */
  integer?: boolean;
}

export interface DurationRange {
  /** Minimum in milliseconds. @default 0 */
  minMs?: number;
  /** Maximum in milliseconds. @default no limit */
  maxMs?: number;
  /**
   * Whether values of a few milliseconds are usual, so that a number below 100 is accepted. @default false: rejected
   */
  usuallyMs?: boolean;
}

/** Validated options with durations in milliseconds, which are not checked again for missing units. */
const CHECKED = new WeakSet<object>();

/**
 * Collects all problems with a set of options, so that one error reports them together. A check returns the value to
 * continue with; for a wrong number or duration that is NaN, so that comparisons are false and no mistake is reported
 * twice. An `OptionGroup` does this for options that belong together.
 */
export class OptionValidator {
  readonly problems: Problem[] = [];
  private isChecked = false;

  /** @param prefix of every path, such as `retry` or `clients.users.retry` */
  constructor(private readonly prefix = '') {}

  /**
   * Applies defaults to absent and undefined options, and reports unknown names.
   * @param path where the options stand below the prefix; empty: at the prefix
   * @param withoutDefault names of options that are not in `defaults`
   */
  options<T extends object>(
    path: string,
    given: Partial<T> | undefined,
    defaults: T,
    withoutDefault: readonly string[] = [],
  ): T {
    const merged = { ...defaults };
    if (given === undefined) return merged;
    if (!isRecord(given)) {
      this.problem(path, given, 'an object of options');
      return merged;
    }
    this.isChecked ||= CHECKED.has(given);
    const known = [...new Set([...Object.keys(defaults), ...withoutDefault])];
    for (const [name, value] of Object.entries(given)) {
      if (value === undefined) continue;
      if (known.includes(name)) Object.assign(merged, { [name]: value });
      else this.problems.push(unknownOption(this.pathOf([path, name].filter(Boolean).join('.')), name, value, known));
    }
    return merged;
  }

  /** A finite number within the range, or NaN. */
  number(path: string, value: unknown, range: NumberRange = {}): number {
    const { min = -Infinity, max = Infinity, integer = false } = range;
    const ok = typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max;
    if (ok && (!integer || Number.isInteger(value))) return value;
    return this.wrongNumber(path, value, `a ${integer ? 'whole ' : ''}number${describeRange(min, max, String)}`);
  }

  /**
   * The milliseconds of a duration within the range, or NaN. A number below 100 is rejected, unless such durations are
   * usual or the options were validated before.
   */
  duration(path: string, value: unknown, range: DurationRange = {}): number {
    const { minMs = 0, maxMs = Infinity, usuallyMs = this.isChecked } = range;
    const withoutUnit = usuallyMs ? undefined : bareNumberProblem(value);
    if (withoutUnit !== undefined) return this.wrongNumber(path, value, withoutUnit);
    const parsed = parseDuration(value);
    if ('ms' in parsed && parsed.ms >= minMs && parsed.ms <= maxMs && Number.isFinite(parsed.ms)) return parsed.ms;
    const expected = `a duration${describeRange(minMs, maxMs, (ms) => formatMs(ms, ''))}, in milliseconds or as a text such as '30s'`;
    return this.wrongNumber(path, value, expected + secondsMeant(value, minMs, maxMs));
  }

  /** One of the listed values. */
  oneOf<T extends string | number | boolean>(path: string, value: unknown, allowed: readonly T[]): T {
    if (!(allowed as readonly unknown[]).includes(value)) {
      this.problem(path, value, `one of ${allowed.map((item) => JSON.stringify(item)).join(', ')}`);
    }
    return value as T;
  }

  boolean(path: string, value: unknown): boolean {
    if (typeof value !== 'boolean') this.problem(path, value, 'true or false');
    return value === true;
  }

  /** Reports a value other than a function or undefined. */
  optionalFunction(path: string, value: unknown): void {
    if (value !== undefined && typeof value !== 'function') this.problem(path, value, 'a function');
  }

  /** Reports a value other than an `AbortSignal`, null or undefined. */
  optionalSignal(path: string, value: unknown): void {
    if (value !== undefined && value !== null && !isSignal(value)) this.problem(path, value, 'an AbortSignal');
  }

  /**
   * Runs another check and collects the problems that it throws.
   * @returns undefined if it threw
   */
  gather<T>(check: () => T): T | undefined {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof InvalidConfigurationError)) throw error;
      this.problems.push(...error.problems);
      return undefined;
    }
  }

  /**
   * Reports a problem that no other check covers, such as two options that contradict each other.
   * @param expected what is allowed, as a noun phrase
   */
  problem(path: string, value: unknown, expected: string): void {
    this.problems.push({ path: this.pathOf(path), value, expected });
  }

  /** The full path of an option, for use with another validator. */
  pathOf(path: string): string {
    return [this.prefix, path].filter(Boolean).join('.') || 'options';
  }

  /** Marks options as validated, so that they are accepted wherever options are. */
  checked<T extends object>(options: T): T {
    CHECKED.add(options);
    return options;
  }

  /** @throws InvalidConfigurationError with all problems, if there are any */
  throwIfAny(): void {
    if (this.problems.length > 0) throw new InvalidConfigurationError([...this.problems]);
  }

  private wrongNumber(path: string, value: unknown, expected: string): number {
    this.problem(path, value, expected);
    return Number.NaN;
  }
}

/**
 * Asserts an object before its options are read.
 * @throws InvalidConfigurationError if it is not one
 */
export function assertOptions(path: string, given: unknown, expected = 'an object of options'): void {
  if (!isRecord(given)) throw new InvalidConfigurationError([{ path, value: given, expected }]);
}

/** Names whose values must not appear in a message, even if misplaced. */
const SECRET_NAME = /pass|secret|token|credential|key/i;

/**
 * The problem of an unknown option, suggesting the one that was meant or listing all.
 * @param inGroups options in groups beside it that may have been meant, such as `healthCheck.interval`
 */
export function unknownOption(
  path: string,
  name: string,
  value: unknown,
  known: readonly string[],
  inGroups?: readonly string[],
): Problem {
  const shown = SECRET_NAME.test(name) ? MASK : withoutContents(value);
  return { path, value: shown, expected: `no option of this name${suggestOption(name, known, inGroups)}` };
}

const MASK = '***';

/**
 * Keeps field names, the length of a list, booleans and functions, and masks the rest: strings and numbers, such as headers
 * under a misspelled name, may be secret.
 */
function withoutContents(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((held: unknown) => (isHarmless(held) ? held : MASK));
  if (!isPlainObject(value)) return MASK;
  const isShown = (name: string, held: unknown): boolean => isHarmless(held) && !SECRET_NAME.test(name);
  return Object.fromEntries(Object.entries(value).map(([name, held]) => [name, isShown(name, held) ? held : MASK]));
}

function isHarmless(value: unknown): boolean {
  return typeof value === 'boolean' || typeof value === 'function';
}

function describeRange(min: number, max: number, describe: (value: number) => string): string {
  if (min > -Infinity && max < Infinity) return ` from ${describe(min)} to ${describe(max)}`;
  if (min > -Infinity) return ` of ${describe(min)} or more`;
  return max < Infinity ? ` of ${describe(max)} or less` : '';
}
