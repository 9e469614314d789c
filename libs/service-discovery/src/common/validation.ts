import { isSignal } from './abort.js';
import { bareNumberProblem, formatMs, parseDuration, secondsMeant } from './duration.js';
import { InvalidConfigurationError, type Problem } from './errors.js';
import { isRecord } from './is-record.js';
import { isPlainObject } from './plain-object.js';
import { suggestOption } from './suggest.js';

export interface NumberRange {
  /** The smallest allowed number. @default no limit */
  min?: number;
  /** The greatest allowed number. @default no limit */
  max?: number;
  /** Whether fractions are refused. @default false */
  integer?: boolean;
}

export interface DurationRange {
  /** The shortest allowed duration in milliseconds. @default 0 */
  minMs?: number;
  /** The longest allowed duration in milliseconds. @default no limit */
  maxMs?: number;
  /** Whether it is usually a few milliseconds, so that a number below 100 is taken as it is. @default false: refused */
  usuallyMs?: boolean;
}

/** Options that were checked, with durations in milliseconds, which are not checked for a missing unit again. */
const CHECKED = new WeakSet<object>();

/**
 * Gathers everything that is wrong with a set of options, so that one error names it all. A check returns the value to go
 * on with; for a wrong number or duration that is NaN, so that a comparison with it is false and one mistake is not
 * reported twice. An `OptionGroup` does this for options that stand together.
 */
export class OptionValidator {
  readonly problems: Problem[] = [];
  private isChecked = false;

  /** @param prefix what stands before every path, such as `retry`, or `clients.users.retry` */
  constructor(private readonly prefix = '') {}

  /**
   * The options with a default for each one that is left out or undefined. Reports names that are no options, such as
   * misspelled ones.
   * @param path where the options stand below the prefix; empty: they are what the prefix names
   * @param withoutDefault the names of the options that `defaults` does not list
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
    const known = [...Object.keys(defaults), ...withoutDefault];
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
   * The milliseconds of a duration within the range, or NaN. A number below 100 is refused, unless such durations are usual
   * or come from options that were checked before.
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

  /** Reports a value that is something other than a function; undefined passes. */
  optionalFunction(path: string, value: unknown): void {
    if (value !== undefined && typeof value !== 'function') this.problem(path, value, 'a function');
  }

  /** Reports a value that is something other than an `AbortSignal`; undefined passes, and null, which says the same. */
  optionalSignal(path: string, value: unknown): void {
    if (value !== undefined && value !== null && !isSignal(value)) this.problem(path, value, 'an AbortSignal');
  }

  /**
   * Runs another check and takes over the problems that it throws, so that several sets of options make one error.
   * @returns undefined where it threw them
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
   * Reports what no other check covers, such as two options that contradict each other.
   * @param expected what is allowed, as a noun phrase
   */
  problem(path: string, value: unknown, expected: string): void {
    this.problems.push({ path: this.pathOf(path), value, expected });
  }

  /** The whole path of an option, to be handed to another validator. */
  pathOf(path: string): string {
    return [this.prefix, path].filter(Boolean).join('.') || 'options';
  }

  /** Notes that these options hold what was checked, so that they may be given wherever options are taken. */
  checked<T extends object>(options: T): T {
    CHECKED.add(options);
    return options;
  }

  /** @throws InvalidConfigurationError with all problems, where there is one */
  throwIfAny(): void {
    if (this.problems.length > 0) throw new InvalidConfigurationError([...this.problems]);
  }

  private wrongNumber(path: string, value: unknown, expected: string): number {
    this.problem(path, value, expected);
    return Number.NaN;
  }
}

/**
 * For what options are taken out of before anything else is checked.
 * @throws InvalidConfigurationError for what holds none
 */
export function assertOptions(path: string, given: unknown, expected = 'an object of options'): void {
  if (!isRecord(given)) throw new InvalidConfigurationError([{ path, value: given, expected }]);
}

/** Names of which the value has no place in a message, misplaced as it is. */
const SECRET_NAME = /pass|secret|token|credential|key/i;

/**
 * The problem of an option that does not exist, with the one that was meant or with all that there are.
 * @param inGroups the options in groups beside it, such as `healthCheck.interval`, which may have been meant
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
 * The names in an object, the length of a list, and of what they hold only booleans and functions: texts and numbers, such as
 * headers under a misspelled name, may be secrets.
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
