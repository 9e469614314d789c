import { type AnyOptionGroup, type Problem, suggest } from '../../common/index.js';
import { OPTION_GROUPS, pathOf } from './known-options.js';

/** The environment that settings are read from; `process.env` is one. */
export type Environment = Readonly<Record<string, string | undefined>>;

interface Variable {
  /** The options that it sets. */
  readonly paths: string[];
  readonly kind: AnyOption['kind'];
}

type AnyOption = AnyOptionGroup['options'][string];

const PREFIX = 'SERVICE_DISCOVERY_';

/** Every variable that is read, without the prefix. */
const VARIABLES: Readonly<Record<string, Variable>> = variablesOf(OPTION_GROUPS);

function variablesOf(groups: Readonly<Record<string, AnyOptionGroup>>): Record<string, Variable> {
  const variables: Record<string, Variable> = {};
  for (const [group, { options }] of Object.entries(groups)) {
    for (const [name, { variable, kind }] of Object.entries(options)) {
      if (variable !== undefined) (variables[variable] ??= { paths: [], kind }).paths.push(pathOf(group, name));
    }
  }
  return variables;
}

/**
 * Service links: variables that Kubernetes and Docker set in other containers for a service named `service-discovery`,
 * such as `SERVICE_DISCOVERY_SERVICE_HOST` and `SERVICE_DISCOVERY_PORT=tcp://10.0.0.1:80`.
 */
const SERVICE_LINK = /^(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/;
const SERVICE_LINK_PORT = /^(?:tcp|udp|sctp):\/\//;

/** Whole thousands of seconds, probably meant as milliseconds. 3600 (an hour) and 86400 (a day) do not match. */
const MEANT_AS_MS = /^\+?[1-9]\d*000$/;

/** One setting that the environment makes. */
export interface EnvironmentSetting {
  readonly name: string;
  readonly path: string;
  /** The value of the variable. */
  readonly raw: string;
  /** The value of the option: a number of seconds becomes a duration such as `5s`. */
  readonly value: unknown;
}

/** The variable that sets the option at a path; undefined where there is none. */
export function variableFor(path: string): string | undefined {
  const name = Object.keys(VARIABLES).find((key) => VARIABLES[key]!.paths.includes(path));
  return name && PREFIX + name;
}

/** Reports a problem of an option as a problem of the variable that set it. */
export function toEnvironmentProblem(problem: Problem, { name, raw, path }: EnvironmentSetting): Problem {
  const { kind } = Object.values(VARIABLES).find(({ paths }) => paths.includes(path)) ?? {};
  if (kind === 'duration' && MEANT_AS_MS.test(raw.trim())) {
    const seconds = Number(raw);
    const expected = `a unit, since a number is in seconds here: write '${seconds / 1_000}s' or '${seconds}s'`;
    return { path: name, value: raw, expected };
  }
  const expected =
    kind === 'duration'
      ? problem.expected.replace(/in milliseconds or as a text/, 'in seconds or as a text')
      : problem.expected;
  // Of a text, the problem already shows the masked value, such as a URL without its password. Of a file, it names the
  // place inside the file.
  const inside = kind === 'file' ? problem.path.slice(path.length) : '';
  return { path: name + inside, value: kind === undefined || inside !== '' ? problem.value : raw, expected };
}

/** The settings found in the environment. */
export interface EnvironmentReading {
  readonly settings: EnvironmentSetting[];
  /** The options whose variable is set to an empty value, which counts as unset unless the choice of the mode depends on it. */
  readonly empty: string[];
  /** Unknown variables. */
  readonly problems: Problem[];
}

export function readEnvironment(env: Environment): EnvironmentReading {
  const settings: EnvironmentSetting[] = [];
  const empty: string[] = [];
  const problems: Problem[] = [];
  for (const [name, raw] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || raw === undefined) continue;
    const rest = name.slice(PREFIX.length);
    const variable = Object.hasOwn(VARIABLES, rest) ? VARIABLES[rest] : undefined;
    if (raw.trim() === '') {
      if (variable) empty.push(...variable.paths);
      continue;
    }
    if (isServiceLink(rest, raw)) continue;
    if (variable) {
      const value = convert(raw.trim(), variable.kind);
      for (const path of variable.paths) settings.push({ name, path, raw, value });
    } else {
      const expected = `no variable of this name${suggest(rest, Object.keys(VARIABLES), PREFIX)}`;
      problems.push({ path: name, value: raw, expected });
    }
  }
  return { settings, empty, problems };
}

function isServiceLink(rest: string, raw: string): boolean {
  return SERVICE_LINK.test(rest) || (rest === 'PORT' && SERVICE_LINK_PORT.test(raw));
}

/** A text that is no number, or probably not one of seconds, stays a text: the option's own check rejects it. */
function convert(text: string, kind: Variable['kind']): unknown {
  if (kind === undefined || kind === 'file' || !/^[+-]?(\d+\.?\d*|\.\d+)$/.test(text)) return text;
  if (kind !== 'duration') return Number(text);
  return MEANT_AS_MS.test(text) ? text : `${Number(text)}s`;
}
