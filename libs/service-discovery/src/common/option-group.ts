import { type Duration, formatMs } from './duration.js';
import { isRecord } from './values.js';
import { type DurationRange, type NumberRange, OptionValidator } from './validation.js';

type OptionKind = 'number' | 'duration' | 'file';

/** Whether an option has a default, one that follows from other options, may be left out without one, or has to be given. */
type Presence = 'default' | 'derived' | 'optional' | 'required';

/**
 * One option: its default, its range, and its check. The docstring above its name in the group is its description in editors
 * and in the docs.
 */
export interface Option<Given, Value, P extends Presence = Presence> {
  readonly presence: P;
  /** Undefined unless `presence` is `default`. */
  readonly default: Given | undefined;
  /** The valid values, as the docs show them: `1–100`, `1 ms–1 d or false`. */
  readonly range: string;
  /** How the value of an environment variable is read: a number of a `duration` is in seconds; a `file` contains JSON. @default as text */
  readonly kind?: OptionKind | undefined;
  /** The environment variable that sets it, without the prefix of the library. */
  readonly variable?: string | undefined;
  /** The group of options that is a valid value. */
  readonly inner?: AnyOptionGroup | undefined;
  /** Whether `false` is valid in place of that group. */
  readonly switchable?: boolean | undefined;
  /** Reports a wrong value. @returns the value to go on with, durations in milliseconds */
  readonly read: (value: unknown, path: string, check: OptionValidator) => Value;
}

/** An option group, whatever its options are. */
export interface AnyOptionGroup {
  readonly name: string;
  readonly names: readonly string[];
  readonly options: Options;
}

/** The properties of an option besides its default and its check. */
type Traits = Pick<Option<unknown, unknown>, 'range' | 'kind' | 'inner' | 'switchable'>;

type Options = Readonly<Record<string, Option<unknown, unknown>>>;
type GivenOf<O> = O extends Option<infer Given, unknown> ? Given : never;
type ValueOf<O> = O extends Option<unknown, infer Value> ? Value : never;
interface HasPresence<P extends Presence> {
  readonly presence: P;
}

type Given<S extends Options> = {
  -readonly [Name in keyof S as S[Name] extends HasPresence<'derived' | 'optional'> ? never : Name]: GivenOf<S[Name]>;
} & {
  -readonly [Name in keyof S as S[Name] extends HasPresence<'derived' | 'optional'> ? Name : never]?:
    GivenOf<S[Name]> | undefined;
};

type Resolved<S extends Options> = {
  -readonly [Name in keyof S as S[Name] extends HasPresence<'optional'> ? never : Name]: ValueOf<S[Name]>;
} & {
  -readonly [Name in keyof S as S[Name] extends HasPresence<'optional'> ? Name : never]?: ValueOf<S[Name]>;
};

/** The options of a group, with those that have a default. */
export type OptionsOf<G> = G extends OptionGroup<infer S> ? Given<S> : never;

/** The options of a group as they have to be given: all but the required ones may be left out. */
export type GivenOptionsOf<G> =
  G extends OptionGroup<infer S>
    ? { -readonly [Name in keyof S as S[Name] extends HasPresence<'required'> ? Name : never]: GivenOf<S[Name]> } & {
        -readonly [Name in keyof S as S[Name] extends HasPresence<'required'> ? never : Name]?:
          GivenOf<S[Name]> | undefined;
      }
    : never;

/** Checked options of a group with every default filled in: durations are milliseconds. May be given wherever options are taken. */
export type ResolvedOf<G> = G extends OptionGroup<infer S> ? Readonly<Resolved<S>> : never;

/**
 * Options that stand together. From this one place come their types, defaults, checks and errors, and their rows in the docs.
 *
 * @example
 * export const RETRY_BUDGET_OPTIONS = new OptionGroup('budget', {
 *   /** Retries for each call that is made. *\/
 *   ratio: number({ default: 0.2, min: 0, max: 10 }),
 *   /** How long a call counts. *\/
 *   window: duration({ default: '10s', minMs: 1_000, maxMs: 600_000 }),
 * });
 * export interface RetryBudgetOptions extends OptionsOf<typeof RETRY_BUDGET_OPTIONS> {}
 */
export class OptionGroup<S extends Options> {
  /** The options that have a default. */
  readonly defaults: Readonly<Given<S>>;
  /** Every option's name. */
  readonly names: readonly string[];

  /**
   * @param name where the options stand unless `resolve` is told otherwise: `retry`
   * @param relate checks options against each other: a default adapts to a given value, and two given values may contradict
   *   each other. A wrong number or duration is NaN in `resolved`.
   */
  constructor(
    readonly name: string,
    readonly options: S,
    private readonly relate?: (resolved: Resolved<S>, given: Partial<Given<S>>, check: OptionValidator) => void,
  ) {
    this.names = Object.keys(options);
    const withDefault = Object.entries(options).filter(([, option]) => option.presence === 'default');
    this.defaults = Object.fromEntries(withDefault.map(([key, option]) => [key, option.default])) as Given<S>;
  }

  /**
   * Fills in the defaults and checks every option.
   * @param path where the options stand, for the error: `clients.users.retry`
   * @throws InvalidConfigurationError naming every wrong option
   */
  readonly resolve = (given?: Partial<Given<S>>, path = this.name): Readonly<Resolved<S>> => {
    const check = new OptionValidator(path);
    const resolved = this.read(given, check);
    check.throwIfAny();
    return check.checked(resolved);
  };

  /** Like `resolve`, but reports problems to `check`, whose path is that of the group. */
  read(given: Partial<Given<S>> | undefined, check: OptionValidator): Readonly<Resolved<S>> {
    const filled: Readonly<Record<string, unknown>> = check.options('', given, this.defaults, this.names);
    const resolved: Record<string, unknown> = {};
    for (const [name, { presence, read }] of Object.entries(this.options)) {
      const value = filled[name];
      if (value !== undefined || presence === 'required') resolved[name] = read(value, name, check);
    }
    this.relate?.(resolved as Resolved<S>, isRecord(given) ? given : {}, check);
    return resolved as Resolved<S>;
  }

  /** The same group without some options, for a place where those follow from other settings. */
  without<Name extends keyof S & string>(...names: readonly Name[]): OptionGroup<Omit<S, Name>> {
    const rest = Object.entries(this.options).filter(([name]) => !(names as readonly string[]).includes(name));
    return new OptionGroup(this.name, Object.fromEntries(rest) as Omit<S, Name>);
  }
}

function option<Given, Value>(
  kind: OptionKind,
  byDefault: Given | undefined,
  range: string,
  read: Option<Given, Value>['read'],
): Option<Given, Value, 'default' | 'required'> {
  return { presence: byDefault === undefined ? 'required' : 'default', default: byDefault, range, kind, read };
}

/** A number; without a default it has to be given. */
export function number(spec: NumberRange & { default: number }): Option<number, number, 'default'>;
export function number(spec: NumberRange): Option<number, number, 'required'>;
export function number(spec: NumberRange & { default?: number }): Option<number, number> {
  const range = rangeOf(spec.min, spec.max, formatNumber);
  return option('number', spec.default, range, (value, path, check) => check.number(path, value, spec));
}

/** A whole number; without a default it has to be given. */
export function count(spec: NumberRange & { default: number }): Option<number, number, 'default'>;
export function count(spec: NumberRange): Option<number, number, 'required'>;
export function count(spec: NumberRange): Option<number, number> {
  return number({ ...spec, integer: true });
}

/** A duration, resolved to milliseconds; without a default it has to be given. */
export function duration(spec: DurationRange & { default: Duration }): Option<Duration, number, 'default'>;
export function duration(spec: DurationRange): Option<Duration, number, 'required'>;
export function duration(spec: DurationRange & { default?: Duration }): Option<Duration, number> {
  const range = rangeOf(spec.minMs ?? 0, spec.maxMs, (ms) => (ms === 0 ? '0' : formatMs(ms).replace(/m$/, 'min')));
  return option('duration', spec.default, range, (value, path, check) => check.duration(path, value, spec));
}

export function boolean(spec: { readonly default: boolean }): Option<boolean, boolean, 'default'> {
  return custom({ ...spec, range: '`true`, `false`', read: (value, path, check) => check.boolean(path, value) });
}

export function oneOf<const T extends string>(
  values: readonly T[],
  spec: { readonly default: NoInfer<T> },
): Option<T, T, 'default'> {
  const range = values.map((value) => `\`${value}\``).join(', ');
  return custom({ ...spec, range, read: (value, path, check) => check.oneOf(path, value, values) });
}

/** A text that is not empty, and has to be given. @param expected what the text is, for the error */
export function text(expected: string): Option<string, string, 'required'> {
  return {
    presence: 'required',
    default: undefined,
    range: expected,
    read: (value, path, check) => {
      if (typeof value !== 'string' || value === '') check.problem(path, value, expected);
      return value as string;
    },
  };
}

/** The same option, which an environment variable sets where the options do not. @param variable without the library's prefix */
export function fromEnv<Given, Value, P extends Presence>(
  variable: string,
  given: Option<Given, Value, P>,
): Option<Given, Value, P> {
  return { ...given, variable };
}

/** The same option, which may be left out; nothing stands for it then. */
export function optional<Given, Value>(given: Option<Given, Value>): Option<Given, Value, 'optional'> {
  return { ...given, presence: 'optional', default: undefined };
}

/** The same option, which may be left out; the group's `relate` fills it in. */
export function derived<Given, Value>(given: Option<Given, Value>): Option<Given, Value, 'derived'> {
  return { ...given, presence: 'derived', default: undefined };
}

/** The same option, which `false` turns off; off by default unless it has a default itself. */
export function orFalse<Given, Value>(
  given: Option<Given, Value>,
  spec: { readonly default: Given | false } = { default: given.default ?? false },
): Option<Given | false, Value | false, 'default'> {
  return {
    ...given,
    ...spec,
    presence: 'default',
    switchable: true,
    range: `${given.range} or \`false\``,
    read: (value, path, check) => value !== false && given.read(value, path, check),
  };
}

/** Options inside of options. */
export function group<S extends Options>(
  inner: OptionGroup<S>,
): Option<GivenOptionsOf<OptionGroup<S>>, Readonly<Resolved<S>>, 'default'> {
  return {
    presence: 'default',
    default: {} as GivenOptionsOf<OptionGroup<S>>,
    range: 'options',
    inner,
    // What is wrong is reported, so that nothing goes on with undefined.
    read: (value, path, check) => check.gather(() => inner.resolve(value as Partial<Given<S>>, check.pathOf(path)))!,
  };
}

/** An option with a check of its own, which reports a wrong value. */
export function custom<Given, Value = Given>(
  spec: {
    readonly default?: Given;
    readonly read: Option<Given, Value>['read'];
  } & Traits,
): Option<Given, Value, 'default'> {
  return { default: undefined, ...spec, presence: 'default' };
}

/** An option that is checked where more is known than its value, such as other options. */
export function unchecked<Given>(spec: { readonly default?: Given } & Traits): Option<Given, Given, 'default'> {
  return custom({ ...spec, read: (value) => value as Given });
}

/** An option with a check of its own, which has to be given. */
export function required<Given, Value = Given>(spec: {
  readonly range: string;
  readonly read: Option<Given, Value>['read'];
}): Option<Given, Value, 'required'> {
  return { default: undefined, ...spec, presence: 'required' };
}

/** With commas between thousands. `toLocaleString` would load ICU's data as the package is imported. */
function formatNumber(value: number): string {
  return Number.isInteger(value) ? String(value).replace(/\B(?=(\d{3})+$)/g, ',') : String(value);
}

function rangeOf(min = -Infinity, max = Infinity, format: (value: number) => string): string {
  if (max === Infinity) return min === -Infinity ? 'any' : `${format(min)} or more`;
  return `${format(min)}–${format(max)}`;
}
