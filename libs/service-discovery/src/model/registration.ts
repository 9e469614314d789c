import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import validVersion from 'semver/functions/valid.js';
import {
  elementsOf,
  InvalidInstanceError,
  parseDuration,
  unknownOption,
  bareNumberProblem,
  secondsMeant,
  type Duration,
  type Problem,
} from '../common/index.js';
import {
  findHealthCheckProblems,
  HEALTH_CHECK_FIELD_NAMES,
  type HealthCheckSpec,
  recallHealthCheck,
} from './health-check/index.js';
import {
  findServiceNamesProblems,
  INSTANCE_ID_PATTERN,
  isHost,
  isLabel,
  isPath,
  isServiceName,
  isText,
  isWholeNumber,
  LABEL_RULE,
  SERVICE_NAME_RULE,
  withoutBrackets,
} from './field-checks.js';
import { type LeaseKind, type ServiceInstance, shapeInstance, type Tier } from './instance.js';
import { isHttp, type Protocol, PROTOCOLS } from './protocol.js';

/** A registration; every field but name, host and port has a default. */
export interface ServiceRegistration {
  /** The service's name: 1 to 128 letters, digits, `.`, `_`, `-`, starting and ending with a letter or digit. */
  serviceName: string;
  /** A host name or an IP address, without protocol, path or credentials. */
  host: string;
  /** The port that the instance listens on: 1 to 65535. */
  port: number;
  /** HTTP calls use only `http` and `https`; look the others up with `discoverService`. @default 'http' */
  protocol?: Protocol;
  /** Prefix of every request path, percent-encoded where it needs to be. @default '' */
  path?: string;
  /**
   * Path of the health endpoint, relative to the root of the host, not to `path`; null checks without HTTP: by gRPC
   * health or TCP.
   * @default '/health'; null for protocols other than `http` and `https`
   */
  healthCheckPath?: string | null;
  /**
   * Check settings that differ from those of the checking process.
   * @default none
   */
  healthCheck?: HealthCheckSpec;
  /**
   * At most {@link METADATA_LIMIT_BYTES} as JSON, nested at most {@link METADATA_LIMIT_LEVELS} levels deep. Stored as
   * JSON: dates become strings, undefined values and functions are dropped.
   * @default {}
   */
  metadata?: Record<string, unknown>;
  /** At most {@link TAG_LIMIT} strings of 1 to 128 characters, as an array or a `Set`. @default [] */
  tags?: readonly string[] | ReadonlySet<string>;
  /** A semantic version, such as `1.4.2`. @default `metadata.version` if it is one */
  version?: string;
  /** An integer from 0 to 65535; 0 takes the instance out of service. @default 100 */
  weight?: number;
  /** The availability zone, for callers that prefer instances in their own zone. */
  zone?: string;
  /** Callers use their pattern of this name for calls to it, if they have one. */
  tier?: Tier;
  /**
   * Names of the services that it calls, at most {@link DEPENDENCY_LIMIT}. Aggregated health uses them to separate
   * causes from consequences. @default none
   */
  dependencies?: readonly string[];
  /** Stable across restarts if given. @default `<host>:<port>`, with `-` for the colons of an IPv6 address */
  instanceId?: string;
  /** Lifetime of the registration without a renewal: 1 s to 1 day. @default the registry's `serviceTtl` */
  ttl?: Duration;
}

export const DEFAULT_WEIGHT = 100;
export const DEFAULT_HEALTH_CHECK_PATH = '/health';
export const METADATA_LIMIT_BYTES = 16_384;
/** Readers of metadata, here and in clients, may traverse it recursively. */
export const METADATA_LIMIT_LEVELS = 32;
export const TAG_LIMIT = 64;
export const DEPENDENCY_LIMIT = 256;
const TTL_RANGE_MS = { min: 1_000, max: 86_400_000 };

/** Maps a field to the caller's spelling, so that a REST client reads `service_name`. */
export type FieldNames = (field: keyof ServiceRegistration) => string;

/** The rule for one field: what is allowed, as a noun phrase, and a check of a given value. */
interface FieldRule {
  readonly expected: string;
  readonly required?: boolean;
  readonly accepts: (value: unknown) => boolean;
}

const RULES: Readonly<Record<keyof ServiceRegistration, FieldRule>> = {
  serviceName: {
    expected: SERVICE_NAME_RULE,
    required: true,
    accepts: isServiceName,
  },
  host: {
    expected: 'a host name or IP address, without protocol, port, path, zone or credentials',
    required: true,
    accepts: isHost,
  },
  port: {
    expected: 'a whole number from 1 to 65535',
    required: true,
    accepts: (value) => isWholeNumber(value, 1, 65_535),
  },
  protocol: {
    expected: `one of ${PROTOCOLS.join(', ')}`,
    accepts: (value) => (PROTOCOLS as readonly unknown[]).includes(value),
  },
  path: {
    expected: 'a path that starts with "/", percent-encoded, without "..", query or fragment',
    accepts: (value) => value === '' || isPath(value),
  },
  healthCheckPath: {
    expected: 'a path that starts with "/", percent-encoded, without "..", query or fragment, or null for a TCP check',
    accepts: (value) => value === null || isPath(value),
  },
  healthCheck: { expected: 'an object that says how the service is checked', accepts: isObject },
  metadata: {
    expected: `a JSON object of at most ${METADATA_LIMIT_BYTES} bytes and ${METADATA_LIMIT_LEVELS} levels`,
    accepts: (value) => toJsonObject(value) !== undefined,
  },
  tags: {
    expected: `a list of at most ${TAG_LIMIT} texts of 1 to 128 characters without spaces or slashes`,
    accepts: (value) => {
      const tags = elementsOf(value);
      return tags !== undefined && tags.length <= TAG_LIMIT && tags.every(isLabel);
    },
  },
  version: {
    expected: 'a semantic version such as "1.4.2"',
    accepts: (value) => versionOf(value) !== undefined,
  },
  weight: { expected: 'a whole number from 0 to 65535', accepts: (value) => isWholeNumber(value, 0, 65_535) },
  zone: { expected: LABEL_RULE, accepts: isLabel },
  tier: { expected: LABEL_RULE, accepts: isLabel },
  dependencies: {
    expected: `a list of at most ${DEPENDENCY_LIMIT} names of services`,
    accepts: Array.isArray,
  },
  instanceId: {
    expected:
      'an id of 1 to 256 letters, digits, ".", "_", ":", "@" or "-" that starts and ends with a letter or digit',
    accepts: (value) => isText(value) && INSTANCE_ID_PATTERN.test(value),
  },
  ttl: {
    expected: 'a duration from 1 s to 1 day',
    accepts: (value) => {
      const parsed = parseDuration(value);
      return 'ms' in parsed && parsed.ms >= TTL_RANGE_MS.min && parsed.ms <= TTL_RANGE_MS.max;
    },
  },
};

/** Fields of an instance that are not part of its registration; a new registration resets them. */
const STATE: Readonly<Record<Exclude<keyof ServiceInstance, keyof ServiceRegistration>, true>> = {
  owner: true,
  status: true,
  operatorStatus: true,
  operatorNote: true,
  healthStatus: true,
  health: true,
  generation: true,
  ttlMs: true,
  lease: true,
  registeredAt: true,
  lastHeartbeat: true,
};

/** All problems of a registration; empty if it is valid. */
export function findRegistrationProblems(
  registration: ServiceRegistration,
  nameOf: FieldNames = (field) => field,
): Problem[] {
  if (!isObject(registration)) {
    return [{ path: 'registration', value: registration, expected: 'an object with serviceName, host and port' }];
  }
  const problems: Problem[] = [];
  for (const [field, rule] of Object.entries(RULES) as [keyof ServiceRegistration, FieldRule][]) {
    const value: unknown = registration[field];
    if (value === undefined ? rule.required === true : !rule.accepts(value)) {
      const expected = field === 'ttl' ? expectedTtl(value, rule.expected) : rule.expected;
      problems.push({ path: nameOf(field), value, expected });
    }
  }
  for (const [name, value] of Object.entries(registration)) {
    if (value === undefined || Object.hasOwn(RULES, name) || Object.hasOwn(STATE, name)) continue;
    const known = (Object.keys(RULES) as (keyof ServiceRegistration)[]).map(nameOf);
    const inGroups = HEALTH_CHECK_FIELD_NAMES.map((field) => `${nameOf('healthCheck')}.${field}`);
    problems.push(unknownOption(nameOf(name as keyof ServiceRegistration), name, value, known, inGroups));
  }
  const { healthCheck, serviceName, dependencies } = registration;
  if (Array.isArray(dependencies)) {
    problems.push(...findServiceNamesProblems(dependencies, nameOf('dependencies'), DEPENDENCY_LIMIT));
  }
  if (isObject(healthCheck)) {
    problems.push(...findHealthCheckProblems(healthCheck, nameOf('healthCheck'), serviceName));
  }
  return problems;
}

/** For errors: what was given may be no registration. */
function nameIn(registration: unknown): string | undefined {
  const { serviceName } = (registration ?? {}) as { readonly serviceName?: unknown };
  return typeof serviceName === 'string' ? serviceName : undefined;
}

/**
 * Validates and applies defaults.
 * @param defaults `now` in milliseconds since the Unix epoch; `lease`: what renews the lease, by default heartbeats;
 *   `owner`: see {@link ServiceInstance.owner}
 * @throws InvalidInstanceError naming every wrong field
 */
export function toInstance(
  registration: ServiceRegistration,
  defaults: { ttlMs: number; now: number; lease?: LeaseKind; owner?: string },
): ServiceInstance {
  const problems = findRegistrationProblems(registration);
  if (problems.length > 0) throw new InvalidInstanceError(problems, nameIn(registration));
  const { serviceName, port, protocol = 'http', zone, tier, dependencies = [] } = registration;
  const host = withoutBrackets(registration.host);
  const metadata = toJsonObject(registration.metadata) ?? {};
  const usualPath = isHttp(protocol) ? DEFAULT_HEALTH_CHECK_PATH : null;
  return shapeInstance({
    serviceName,
    instanceId: instanceIdOf(registration),
    host,
    port,
    protocol,
    path: (registration.path ?? '').replace(/\/+$/, ''),
    healthCheckPath: registration.healthCheckPath === undefined ? usualPath : registration.healthCheckPath,
    healthCheck: registration.healthCheck && recallHealthCheck(registration.healthCheck),
    metadata,
    tags: [...new Set(registration.tags ?? [])],
    version: versionOf(registration.version ?? metadata.version),
    weight: registration.weight ?? DEFAULT_WEIGHT,
    zone,
    tier,
    dependencies: dependencies.length > 0 ? [...new Set(dependencies)] : undefined,
    owner: defaults.owner,
    status: 'unknown',
    operatorStatus: 'up',
    healthStatus: 'unknown',
    health: undefined,
    generation: 0,
    ttlMs: ttlOf(registration, defaults.ttlMs),
    lease: defaults.lease ?? 'heartbeat',
    registeredAt: defaults.now,
    lastHeartbeat: defaults.now,
  });
}

/** Undefined if it is not a semantic version. */
function versionOf(value: unknown): string | undefined {
  if (!isText(value) || value.length > 128) return undefined;
  return validVersion(value) ?? undefined;
}

/** Whether two instances have equal registrations. */
export function haveSameRegistration(one: ServiceInstance, other: ServiceInstance): boolean {
  const { ttl: _, ...rules } = RULES;
  const fields = Object.keys(rules) as (keyof typeof rules)[];
  return one.ttlMs === other.ttlMs && fields.every((field) => isDeepStrictEqual(one[field], other[field]));
}

function expectedTtl(value: unknown, usual: string): string {
  return bareNumberProblem(value) ?? usual + secondsMeant(value, TTL_RANGE_MS.min, TTL_RANGE_MS.max);
}

function ttlOf({ ttl }: ServiceRegistration, fallbackMs: number): number {
  const parsed = parseDuration(ttl);
  return 'ms' in parsed ? parsed.ms : fallbackMs;
}

/** The id of a registration: the one that it names, else one that its address makes. */
function instanceIdOf({ instanceId, host, port }: ServiceRegistration): string {
  return instanceId ?? defaultInstanceId(withoutBrackets(host), port);
}

/** The address identifies the instance: registering twice from one address replaces the instance. */
function defaultInstanceId(host: string, port: number): string {
  // An id must not start with a dash: `::1` is written as its equal `0::1`.
  const id = `${host.replaceAll(':', '-').replace(/^-/, '0-')}:${port}`;
  return INSTANCE_ID_PATTERN.test(id) ? id : createHash('sha256').update(id).digest('hex');
}

function isObject(value: unknown): value is object {
  return Object.prototype.toString.call(value) === '[object Object]';
}

/** A copy as JSON; undefined if it is not an object, too long or too deep, or cannot be serialized. */
function toJsonObject(value: unknown): Record<string, unknown> | undefined {
  if (!isObject(value)) return undefined;
  try {
    const text = JSON.stringify(value);
    if (Buffer.byteLength(text) > METADATA_LIMIT_BYTES) return undefined;
    const copy: unknown = JSON.parse(text);
    return isObject(copy) && isWithin(copy, METADATA_LIMIT_LEVELS) ? (copy as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isWithin(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => isWithin(inner, levels - 1));
}
