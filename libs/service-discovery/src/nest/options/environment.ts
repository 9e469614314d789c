import { suggest, type Problem } from '../../common/index.js';

/** The environment that settings are read from; `process.env` is one. */
export type Environment = Readonly<Record<string, string | undefined>>;

type Kind =
  /** Taken as it is. */
  | 'text'
  | 'number'
  /** The path of a file with JSON. */
  | 'file'
  /** A number of seconds, or a text with a unit such as `250ms`. */
  | 'seconds';

interface Variable {
  /** The option that the variable sets, or several. */
  readonly path: string | readonly string[];
  readonly kind: Kind;
}

const PREFIX = 'SERVICE_DISCOVERY_';

/** Every variable that is read, without the prefix. */
const VARIABLES: Readonly<Record<string, Variable>> = {
  MODE: { path: 'mode', kind: 'text' },
  REGISTRY_URL: { path: 'registryUrl', kind: 'text' },
  REDIS_URL: { path: 'redis.url', kind: 'text' },
  REDIS_SIGNING_KEY: { path: 'redis.signing.key', kind: 'text' },
  TOKEN: { path: ['api.token', 'remote.token'], kind: 'text' },
  NAMESPACE: { path: 'namespace', kind: 'text' },
  HOST: { path: 'advertise.host', kind: 'text' },
  PORT: { path: 'advertise.port', kind: 'number' },
  SERVICES: { path: 'services', kind: 'file' },
  SERVICE_TTL: { path: 'serviceTtl', kind: 'seconds' },
  HEALTH_CHECK_INTERVAL: { path: 'healthCheck.interval', kind: 'seconds' },
  HEALTH_CHECK_TIMEOUT: { path: 'healthCheck.timeout', kind: 'seconds' },
  CIRCUIT_BREAKER_FAILURE_THRESHOLD: { path: 'circuitBreaker.failureThreshold', kind: 'number' },
  CIRCUIT_BREAKER_RECOVERY_TIMEOUT: { path: 'circuitBreaker.recoveryTimeout', kind: 'seconds' },
  RETRY_MAX_ATTEMPTS: { path: 'retry.maxAttempts', kind: 'number' },
  RETRY_BASE_DELAY: { path: 'retry.baseDelay', kind: 'seconds' },
  RETRY_MAX_DELAY: { path: 'retry.maxDelay', kind: 'seconds' },
  DEFAULT_LOAD_BALANCING: { path: 'loadBalancing', kind: 'text' },
};

/**
 * What Kubernetes, and Docker's links, put into the environment of every container beside a service that is called
 * `service-discovery`, such as `SERVICE_DISCOVERY_SERVICE_HOST` and `SERVICE_DISCOVERY_PORT=tcp://10.0.0.1:80`.
 */
const SERVICE_LINK = /^(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/;
const SERVICE_LINK_PORT = /^(?:tcp|udp|sctp):\/\//;

/** One setting that the environment makes. */
export interface EnvironmentSetting {
  readonly name: string;
  readonly path: string;
  /** As it stands in the environment. */
  readonly raw: string;
  /** As the option takes it: a number of seconds as the text of a duration. */
  readonly value: unknown;
}

/** The variable that sets the option at a path; undefined where there is none. */
export function variableFor(path: string): string | undefined {
  const name = Object.keys(VARIABLES).find((key) => setsOption(VARIABLES[key]!, path));
  return name && PREFIX + name;
}

function setsOption(variable: Variable, path: string): boolean {
  return [variable.path].flat().includes(path);
}

/** A problem of the option that a variable sets, as a problem of the variable. */
export function toEnvironmentProblem(problem: Problem, { name, raw, path }: EnvironmentSetting): Problem {
  const { kind } = Object.values(VARIABLES).find((variable) => setsOption(variable, path)) ?? {};
  const expected =
    kind === 'seconds'
      ? problem.expected.replace(/in milliseconds or as a text/, 'in seconds or as a text')
      : problem.expected;
  // What is wrong with a text shows it as it may be shown: a URL without its password.
  // Of a file it is told where in it something is wrong, and what.
  const inside = kind === 'file' ? problem.path.slice(path.length) : '';
  return { path: name + inside, value: kind === 'text' || inside !== '' ? problem.value : raw, expected };
}

/** What an environment says. */
export interface EnvironmentReading {
  readonly settings: EnvironmentSetting[];
  /** The options whose variable is there without a value. It counts as unset, where nothing depends on it. */
  readonly empty: string[];
  /** The names that mean nothing. */
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
      if (variable) empty.push(...[variable.path].flat());
      continue;
    }
    if (isServiceLink(rest, raw)) continue;
    if (variable) {
      const value = convert(raw.trim(), variable.kind);
      for (const path of [variable.path].flat()) settings.push({ name, path, raw, value });
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

/** What is no number stays a text, for the option's own check to refuse. */
function convert(text: string, kind: Kind): unknown {
  if (kind === 'text' || kind === 'file' || !/^[+-]?(\d+\.?\d*|\.\d+)$/.test(text)) return text;
  return kind === 'seconds' ? `${Number(text)}s` : Number(text);
}
