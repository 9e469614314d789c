import { readFileSync } from 'node:fs';
import { type NamedStrategies } from '../../balancing/index.js';
import {
  InvalidConfigurationError,
  isPlainObject,
  isRecord,
  messageOf,
  type OptionValidator,
  suggestNear,
  withMaskedPassword,
  type TlsByService,
  USUAL_TLS,
} from '../../common/index.js';
import {
  type CommunicatorDefaults,
  patternNames,
  resolvePatterns,
  validateCommunicatorOptions,
} from '../../communicator/index.js';
import { type CronTimes, type HealthCheckOptions, resolveHealthCheckOptions } from '../../health/index.js';
import { type AllowedHosts } from '../../model/index.js';
import { readListedGateways, readListedServices, readMeshServices } from '../../registry/index.js';
import {
  REDIS_SERVERS_OPTION_NAMES,
  type RedisRegistryStoreOptions,
  type RegistryStore,
  type RemoteRegistryStoreOptions,
  resolveRedisRegistryStoreOptions,
  resolveRemoteRegistryStoreOptions,
} from '../../store/index.js';
import { UNDICI_TRANSPORT_OPTIONS, type UndiciTransportOptions } from '../../transport/index.js';
import { NoCronError, parseCron } from '../schedule/index.js';
import {
  AXIOS_TRANSPORT_OPTIONS,
  type AxiosTransportOptions,
  DEFAULT_REDIS_URL,
  OFFLINE_WRITES,
  SERVICE_DISCOVERY_MODES,
  type ServiceDiscoveryMode,
  type ResolvedServiceDiscoveryOptions,
  type ServiceDiscoveryOptions,
  TRANSPORT_NAMES,
  type TransportOptions,
} from './options.js';
import { lacksValue } from './layers.js';

const TO_DO_WITHOUT = "mode: 'memory_only' (SERVICE_DISCOVERY_MODE=memory_only) to do without";
const REGISTRY_URL = `the URL of a registry, such as "http://registry:3000", or ${TO_DO_WITHOUT}`;
const REDIS_URL = `the URL of a Redis, such as "redis://redis:6379", or a client, or ${TO_DO_WITHOUT}`;
const BESIDE_MEMORY =
  'nothing beside the mode memory_only, which keeps the registry in this process: leave one of the two out';

const STORE_METHODS = ['put', 'recover', 'renew', 'remove', 'setStatus', 'watch', 'close'] as const;

/** Validates a custom store, which excludes every other option that says where registrations are. */
export function checkStore(given: ServiceDiscoveryOptions, check: OptionValidator): RegistryStore | undefined {
  const { store } = given;
  if (store === undefined) return undefined;
  const methods = store as Partial<Record<(typeof STORE_METHODS)[number], unknown>> | null;
  if (!STORE_METHODS.every((name) => typeof methods?.[name] === 'function')) {
    const shown = typeof store === 'object' ? '***' : store;
    check.problem('store', shown, `an object with ${STORE_METHODS.map((name) => `${name}()`).join(', ')}`);
  }
  for (const name of ['mode', 'registryUrl', 'remote', 'redis', 'selfPreservation'] as const) {
    if (given[name] !== undefined) check.problem(name, withMaskedGroup(given[name]), 'nothing beside store');
  }
  return store;
}

function withMaskedGroup(value: unknown): unknown {
  return isRecord(value) ? '***' : withMaskedPassword(value);
}

/**
 * @param given before the environment and the preset
 * @param empty the options whose variable is set to an empty value
 * @returns undefined if a store replaces the mode
 */
export function checkMode(
  { mode, registryUrl, redis, store }: Pick<ServiceDiscoveryOptions, 'mode' | 'registryUrl' | 'redis' | 'store'>,
  given: ServiceDiscoveryOptions,
  empty: readonly string[],
  check: OptionValidator,
): ServiceDiscoveryMode | undefined {
  if (store !== undefined) return undefined;
  if (mode === undefined) {
    if (registryUrl !== undefined) return 'remote';
    if (namesRedis(redis)) return 'redis_backed';
    // Usually an unset variable. Falling back to `memory_only` would hide it until calls fail.
    if (redis !== undefined || empty.includes('redis.url')) {
      check.problem('redis.url', undefined, REDIS_URL);
    }
    if (lacksValue(given, 'registryUrl') || empty.includes('registryUrl')) {
      check.problem('registryUrl', undefined, REGISTRY_URL);
    }
    return 'memory_only';
  }
  if (mode === 'memory_only') {
    // A mode may override a weaker layer, for example in a test of an app whose registry comes from the environment.
    const isIn = (ofLayer: boolean): boolean => ofLayer === (given.mode !== undefined);
    if (registryUrl !== undefined && isIn(given.registryUrl !== undefined)) {
      check.problem('registryUrl', withMaskedPassword(registryUrl), BESIDE_MEMORY);
    }
    if (namesRedis(redis) && isIn(namesRedis(given.redis))) {
      const [name, shown] = redis?.client ? ['client', '***'] : ['url', withMaskedPassword(redis?.url)];
      check.problem(`redis.${name}`, shown, BESIDE_MEMORY);
    }
  }
  if (SERVICE_DISCOVERY_MODES.includes(mode)) return mode;
  const names = new Intl.ListFormat('en', { type: 'disjunction' }).format(SERVICE_DISCOVERY_MODES);
  // Options of a weaker layer are no hint: the mode may be meant to override them.
  check.problem('mode', mode, names + modeMeant(mode, given.mode === undefined ? { registryUrl, redis } : given));
  return 'memory_only';
}

function namesRedis(redis: ServiceDiscoveryOptions['redis']): boolean {
  return redis?.url !== undefined || redis?.client !== undefined;
}

/** Suggests the mode that was meant by an invalid one: the mode that the options beside it belong to, else a similar name. */
function modeMeant(
  mode: unknown,
  { registryUrl, redis }: Pick<ServiceDiscoveryOptions, 'registryUrl' | 'redis'>,
): string {
  if (registryUrl !== undefined) return ' (did you mean "remote", which registryUrl belongs to?)';
  if (namesRedis(redis)) {
    return suggestNear(mode, ['hybrid']) || ' (did you mean "redis_backed", which redis belongs to?)';
  }
  const near = suggestNear(mode, SERVICE_DISCOVERY_MODES);
  if (near !== '' || typeof mode !== 'string') return near;
  const meant = MODES_BY_PART.find(([part]) => part.test(mode))?.[1];
  return meant === undefined ? ' (a registry of your own is given as store)' : ` (did you mean "${meant}"?)`;
}

const MODES_BY_PART: readonly (readonly [RegExp, ServiceDiscoveryMode])[] = [
  [/redis/i, 'redis_backed'],
  [/memory|local|single/i, 'memory_only'],
  [/http|rest|client|url/i, 'remote'],
];

/** The address of the registry in the mode `remote`; undefined if it is invalid. */
export function checkRemote(
  { registryUrl, remote = {}, requireTls }: Pick<ServiceDiscoveryOptions, 'registryUrl' | 'remote' | 'requireTls'>,
  check: OptionValidator,
): RemoteRegistryStoreOptions | undefined {
  const options = { ...remote, url: registryUrl ?? '' };
  try {
    const { origin } = resolveRemoteRegistryStoreOptions(options, 'remote');
    if (requireTls && !origin.startsWith('https:')) {
      check.problem('registryUrl', registryUrl, 'a URL that begins with https, since requireTls is set');
    }
    return options;
  } catch (error) {
    if (!(error instanceof InvalidConfigurationError)) throw error;
    for (const { path, value, expected } of error.problems) {
      if (path !== 'remote.url') check.problem(path, value, expected);
      else if (options.url === '') check.problem('registryUrl', registryUrl, REGISTRY_URL);
      else check.problem('registryUrl', value, expected);
    }
    return undefined;
  }
}

/** How many changes may be queued while Redis is unreachable; 0 in every mode but `hybrid`. */
export function checkOfflineWrites(
  given: Pick<ServiceDiscoveryOptions, 'maxOfflineWrites'>,
  mode: ServiceDiscoveryMode | undefined,
  check: OptionValidator,
): number {
  if (mode === 'hybrid') return given.maxOfflineWrites ?? OFFLINE_WRITES.default!;
  if (given.maxOfflineWrites !== undefined) {
    const where = mode === undefined ? 'beside store' : `in the mode ${mode}`;
    const expected = `nothing ${where}: it belongs to hybrid`;
    check.problem('maxOfflineWrites', given.maxOfflineWrites, expected);
  }
  return 0;
}

/**
 * The registrations of instances that do not register by themselves, and which of their services have a `mesh` of their own.
 * @param services from the environment the path of a file with the list
 * @param given before the environment
 */
export function checkServices(
  services: unknown,
  given: Pick<ServiceDiscoveryOptions, 'services'>,
  check: OptionValidator,
): Pick<ResolvedServiceDiscoveryOptions, 'services' | 'meshServices' | 'gateways'> {
  const none = { services: [], meshServices: undefined, gateways: [] };
  if (services === undefined) return none;
  const isFile = typeof services === 'string' && given.services === undefined;
  const list = isFile ? readJsonFile(services, 'services', check) : services;
  if (list === undefined) return none;
  const registrations = check.gather(() => readListedServices(list, 'services'));
  const gateways = check.gather(() => readListedGateways(list, 'services')) ?? [];
  return registrations ? { services: registrations, meshServices: readMeshServices(list), gateways } : none;
}

function readJsonFile(file: string, path: string, check: OptionValidator): unknown {
  try {
    const text = readFileSync(file, 'utf8');
    // Editors on Windows put a byte order mark before the text.
    return JSON.parse(text.startsWith('\uFEFF') ? text.slice(1) : text) as unknown;
  } catch (error) {
    // The message of a SyntaxError may quote the file, which may hold a secret.
    const reason = error instanceof SyntaxError ? `its content is not JSON${placeIn(error)}` : messageOf(error);
    check.problem(path, file, `the path of a JSON file with a list of services (${reason})`);
    return undefined;
  }
}

/** The position of a JSON error, from V8's message: an offset, or a line and a column. */
function placeIn({ message }: SyntaxError): string {
  const [, place] = /\bat (position \d+(?: \(line \d+ column \d+\))?)/.exec(message) ?? [];
  return place === undefined ? '' : `, wrong at ${place}`;
}

/** The Redis options of the modes `redis_backed` and `hybrid`; undefined if they are invalid. */
export function checkRedis(
  { redis = {}, namespace }: Pick<ServiceDiscoveryOptions, 'redis' | 'namespace'>,
  check: OptionValidator,
): RedisRegistryStoreOptions | undefined {
  const saysWhich = REDIS_SERVERS_OPTION_NAMES.some((name) => redis[name] !== undefined);
  const options = { ...redis, ...(!saysWhich && { url: DEFAULT_REDIS_URL }), namespace };
  try {
    resolveRedisRegistryStoreOptions(options, 'redis');
    return options;
  } catch (error) {
    if (!(error instanceof InvalidConfigurationError)) throw error;
    for (const { path, value, expected } of error.problems) {
      // Validated as the top-level option `namespace`.
      if (path === 'redis.namespace') continue;
      check.problem(path, value, path === 'redis.url' && value === '' ? REDIS_URL : expected);
    }
    return undefined;
  }
}

const CRON_RULE = 'a cron expression of five fields, or of six with seconds before them, such as "*/30 * * * * *"';

/** Validates the options of health checks. @returns them with the cron expression parsed */
export function checkHealthCheck(
  { healthCheck = {} }: Pick<ServiceDiscoveryOptions, 'healthCheck'>,
  check: OptionValidator,
): Partial<HealthCheckOptions> {
  if (healthCheck === false) return { enabled: false };
  const { cron: expression, ...others } = healthCheck;
  const cron = expression === undefined ? undefined : readCron(expression, check);
  const options = { ...others, ...(cron && { cron }) };
  check.gather(() => resolveHealthCheckOptions(options));
  return options;
}

function readCron(expression: unknown, check: OptionValidator): CronTimes | undefined {
  try {
    if (typeof expression === 'string') return parseCron(expression);
    if (isRecord(expression) && typeof expression.next === 'function') return expression as unknown as CronTimes;
    check.problem('healthCheck.cron', expression, CRON_RULE);
  } catch (error) {
    const [problem] = messageOf(error).split('\n');
    const expected =
      error instanceof NoCronError
        ? `nothing as long as ${problem}, which brings what reads it: npm install @nestjs/schedule`
        : `${CRON_RULE} (${problem})`;
    check.problem('healthCheck.cron', expression, expected);
  }
  return undefined;
}

/** In `memory_only` this process is the registry: it holds all services, and no other process checks them. */
export function checkFollow(
  { follow }: Pick<ServiceDiscoveryOptions, 'follow'>,
  mode: ServiceDiscoveryMode | undefined,
  check: OptionValidator,
): void {
  if (follow === 'used' && mode === 'memory_only') check.problem('follow', follow, '"all" in the mode memory_only');
}

export function checkCalls(
  { patterns, ...calls }: CommunicatorDefaults,
  strategies: NamedStrategies,
  check: OptionValidator,
): void {
  check.gather(() => validateCommunicatorOptions(calls, '', { strategies, patterns: patternNames(patterns) }));
  check.gather(() => resolvePatterns(patterns, calls, { strategies }));
}

/** @returns the TLS of calls */
export function checkTransport(transport: unknown, check: OptionValidator): TlsByService {
  if (holdsOptions(transport)) return checkTransportOptions(transport, check);
  const own = transport as { send?: unknown; close?: unknown } | null;
  const isTransport = typeof own === 'object' && typeof own?.send === 'function' && typeof own.close === 'function';
  if (!isTransport && !(TRANSPORT_NAMES as readonly unknown[]).includes(transport)) {
    const names = TRANSPORT_NAMES.join(', ');
    const expected = `one of ${names}, or a plain object of options, or an object with send() and close()`;
    check.problem('transport', transport, expected + suggestNear(transport, TRANSPORT_NAMES));
  }
  return USUAL_TLS;
}

function checkTransportOptions(
  { type = 'undici', ...options }: TransportOptions | AxiosTransportOptions,
  check: OptionValidator,
): TlsByService {
  check.oneOf('transport.type', type, TRANSPORT_NAMES);
  if (type === 'axios') return check.gather(() => AXIOS_TRANSPORT_OPTIONS.resolve(options))?.tls ?? USUAL_TLS;
  const { closeTimeout, ...given } = options as UndiciTransportOptions;
  if (closeTimeout !== undefined) {
    check.problem('transport.closeTimeout', closeTimeout, 'nothing here: it follows from shutdown.timeout');
  }
  return check.gather(() => UNDICI_TRANSPORT_OPTIONS.resolve(given))?.tls ?? USUAL_TLS;
}

/** An object with a function is meant as a transport, even if it lacks a method; options have no functions. */
function holdsOptions(transport: unknown): transport is TransportOptions | AxiosTransportOptions {
  return isPlainObject(transport) && !Object.values(transport).some((value) => typeof value === 'function');
}

export function checkHosts(
  { allowedHosts, api }: Pick<ServiceDiscoveryOptions, 'allowedHosts' | 'api'>,
  check: OptionValidator,
): AllowedHosts | undefined {
  const former = api === false ? undefined : api?.allowedHosts;
  if (allowedHosts === undefined) return former;
  if (former !== undefined)
    check.problem('api.allowedHosts', former, 'nothing beside allowedHosts, which says the same');
  return allowedHosts;
}
