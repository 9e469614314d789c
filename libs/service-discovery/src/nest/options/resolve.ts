import { isDeepStrictEqual } from 'node:util';
import {
  assertOptions,
  InvalidConfigurationError,
  OptionValidator,
  type Problem,
  TOKEN,
  withoutUndefined,
} from '../../common/index.js';
import { type CommunicatorDefaults } from '../../communicator/index.js';
import { HEALTH_AGGREGATOR_OPTIONS } from '../../health/index.js';
import { EVENT_LOGGER_OPTIONS, JOURNAL_OPTIONS, validateDiscoveryMetricsOptions } from '../../observability/index.js';
import { SERVICE_REGISTRY_OPTIONS } from '../../registry/index.js';
import { resolveSelfPreservationOptions } from '../../store/index.js';
import { type ApiOptions, DEFAULT_API_OPTIONS, resolveApiOptions } from '../rest/api-options.js';
import {
  checkAdvertise,
  checkCalls,
  checkFollow,
  checkInheritDeadline,
  checkHealthCheck,
  checkHosts,
  checkMode,
  checkNamespace,
  checkOfflineWrites,
  checkPreset,
  checkRedis,
  checkRemote,
  checkServices,
  checkStore,
  checkStrategies,
  checkTransport,
  REGISTRY_OPTION_NAMES,
} from './checks.js';
import {
  type Environment,
  type EnvironmentSetting,
  readEnvironment,
  toEnvironmentProblem,
  variableFor,
} from './environment.js';
import { findWrongGroups } from './groups.js';
import { findUnknownOptions } from './known-options.js';
import { givingWay } from '../giving-way.js';
import { findDecoratorProblems } from '../route-decorators.js';
import { difference, fromPaths, isNamed, isSet, layer } from './layers.js';
import {
  COMMUNICATOR_OPTION_NAMES,
  DEFAULT_SERVICE_DISCOVERY_OPTIONS,
  type ResolvedServiceDiscoveryOptions,
  type ServiceDiscoveryMode,
  type ServiceDiscoveryOptions,
  type ShutdownOptions,
} from './options.js';
import { getServiceDiscoveryConfig, isPreset } from './presets.js';

const FIVE_MINUTES_MS = 300_000;

/**
 * Lays options over the environment over the preset over the defaults, and checks what comes of it.
 * @param env such as `process.env`
 * @throws InvalidConfigurationError that lists everything wrong: options, variables and unknown names of both
 */
export function resolveServiceDiscoveryOptions(
  given: ServiceDiscoveryOptions = {},
  env: Environment = {},
): ResolvedServiceDiscoveryOptions {
  assertOptions('options', given);
  const wrongGroups = findWrongGroups(given);
  // The checks below look into groups.
  const options = without(given, wrongGroups);
  const preset = isPreset(options.preset) ? getServiceDiscoveryConfig(options.preset) : {};
  const own = difference(options, preset);
  const { settings, empty, problems } = readEnvironment(env);
  const inForce = settings.filter(({ path }) => !isSet(own, path) && !isReplaced(own, path));
  const base = withoutReplaced(givingWay(preset, own), own);
  const merged = layer(base, fromPaths(inForce), own);

  const check = new OptionValidator();
  const resolved = { ...resolveMerged(merged, options, empty, check), token: tokenOf(settings, check) };
  const unknown = findUnknownOptions(options);
  // The check of a group finds them, too, unless it is not in use; it may know fewer names to suggest.
  const byName = (problem: Problem): Problem | undefined => unknown.find(({ path }) => path === problem.path);
  const wrong = distinct(
    check.problems.map((problem) => byName(problem) ?? inItsOwnTerms(problem, options, inForce, empty)),
  );
  const found = [...wrongGroups, ...unknown.filter((problem) => !wrong.includes(problem)), ...wrong, ...problems];
  if (found.length > 0) throw new InvalidConfigurationError(found);
  return resolved;
}

function resolveMerged(
  options: ServiceDiscoveryOptions,
  given: ServiceDiscoveryOptions,
  empty: readonly string[],
  check: OptionValidator,
): Omit<ResolvedServiceDiscoveryOptions, 'token'> {
  checkPreset(options.preset, check);
  const store = checkStore(given, check);
  const mode = checkMode(options, given, empty, check);
  const maxOfflineWrites = checkOfflineWrites(options, mode, check);
  const registry = pick(options, REGISTRY_OPTION_NAMES);
  const healthCheck = checkHealthCheck(options, check);
  const communicator: CommunicatorDefaults = pick(options, COMMUNICATOR_OPTION_NAMES);
  const { transport, inheritDeadline, requireTls, report } = {
    ...DEFAULT_SERVICE_DISCOVERY_OPTIONS,
    ...withoutUndefined(options),
  };
  const services = checkServices(options.services, given, check);
  const {
    advertise = {},
    selfPreservation = {},
    strategies: named = {},
    logging = {},
    metrics = {},
    journal = {},
  } = options;

  check.gather(() => SERVICE_REGISTRY_OPTIONS.resolve(registry));
  checkFollow(options, mode, check);
  const { decorators, ...health } = options.health ?? {};
  check.gather(() => HEALTH_AGGREGATOR_OPTIONS.resolve(health));
  check.problems.push(...findDecoratorProblems(decorators, 'health.decorators'));
  check.gather(() => resolveSelfPreservationOptions(selfPreservation));
  const strategies = checkStrategies(named, check);
  checkCalls(communicator, strategies, check);
  const tls = checkTransport(transport, check);
  checkAdvertise(advertise, check);
  if (logging !== false) check.gather(() => EVENT_LOGGER_OPTIONS.resolve(logging, 'logging'));
  if (journal !== false) check.gather(() => JOURNAL_OPTIONS.resolve(journal));
  check.gather(() => validateDiscoveryMetricsOptions(metrics, 'metrics'));
  return {
    preset: options.preset,
    mode,
    store,
    remote: mode === 'remote' ? checkRemote(options, check) : undefined,
    redis: mode === 'redis_backed' || mode === 'hybrid' ? checkRedis(options, check) : undefined,
    namespace: checkNamespace(options, check),
    registry: { ...registry, maxOfflineWrites },
    services,
    selfPreservation,
    healthCheck,
    health,
    communicator,
    strategies,
    transport,
    tls,
    requireTls: check.boolean('requireTls', requireTls),
    api: options.api === false ? false : resolveApi(options.api, check),
    allowedHosts: checkHosts(options, check),
    inheritDeadline: checkInheritDeadline(inheritDeadline, check),
    advertise,
    shutdown: resolveShutdown(options, mode, check),
    logging,
    metrics,
    journal,
    report: check.boolean('report', report),
  };
}

/** The environment's token, which controllers that the app mounts itself go by. */
function tokenOf(settings: readonly EnvironmentSetting[], check: OptionValidator): string | undefined {
  const setting = settings.find(({ path }) => path === 'api.token');
  return setting && TOKEN.read(setting.value, setting.name, check);
}

function resolveApi(options: Partial<ApiOptions> | undefined, check: OptionValidator): ApiOptions {
  return check.gather(() => resolveApiOptions(options)) ?? DEFAULT_API_OPTIONS;
}

function resolveShutdown(
  options: ServiceDiscoveryOptions,
  mode: ServiceDiscoveryMode | undefined,
  check: OptionValidator,
): ResolvedServiceDiscoveryOptions['shutdown'] {
  const { drainDelay, drainDelayInMemory, timeout } = DEFAULT_SERVICE_DISCOVERY_OPTIONS.shutdown;
  const defaults: Required<ShutdownOptions> = {
    drainDelay: mode === 'memory_only' ? drainDelayInMemory : drainDelay,
    timeout,
  };
  const given = check.options('shutdown', options.shutdown, defaults);
  return {
    drainDelayMs: check.duration('shutdown.drainDelay', given.drainDelay, { maxMs: FIVE_MINUTES_MS }),
    timeoutMs: check.duration('shutdown.timeout', given.timeout, { minMs: 1, maxMs: FIVE_MINUTES_MS }),
  };
}

function without(options: ServiceDiscoveryOptions, wrong: readonly Problem[]): ServiceDiscoveryOptions {
  const right = Object.entries(options).filter(([name]) => !wrong.some(({ path }) => path === name));
  return Object.fromEntries(right);
}

/** The options, by path, that say in another way what the first one would say. */
const REPLACED_BY: Readonly<Record<string, readonly string[]>> = {
  mode: ['store'],
  registryUrl: ['store'],
  'redis.url': ['redis.client', 'store'],
  'healthCheck.interval': ['healthCheck.cron'],
};

function isReplaced(options: ServiceDiscoveryOptions, path: string): boolean {
  return (REPLACED_BY[path] ?? []).some((other) => isSet(options, other));
}

/** The interval of a preset gives way to a cron expression. */
function withoutReplaced(preset: ServiceDiscoveryOptions, own: ServiceDiscoveryOptions): ServiceDiscoveryOptions {
  if (!preset.healthCheck || !isReplaced(own, 'healthCheck.interval')) return preset;
  return { ...preset, healthCheck: { ...preset.healthCheck, interval: undefined } };
}

/** A problem of a value that the environment gave is named, and shown, as it stands there. */
function inItsOwnTerms(
  problem: Problem,
  options: ServiceDiscoveryOptions,
  inForce: readonly EnvironmentSetting[],
  empty: readonly string[],
): Problem {
  // A strategy stands beside its options once there are any.
  const given = problem.path === 'loadBalancing.strategy' ? 'loadBalancing' : problem.path;
  const setting = inForce.find(({ path }) => path === given || given.startsWith(`${path}[`));
  if (setting) return toEnvironmentProblem(problem, setting);
  const isMissing = problem.value === undefined && !isNamed(options, given);
  if (isMissing && empty.includes(given)) return { ...problem, path: variableFor(given) ?? problem.path, value: '' };
  // A mode that the environment sets gets its URL there, too.
  const isOfMode = isMissing && inForce.some(({ path }) => path === 'mode');
  return isOfMode ? { ...problem, path: variableFor(given) ?? problem.path } : problem;
}

/** A variable that sets several options is wrong once. */
function distinct(problems: readonly Problem[]): Problem[] {
  return problems.filter((problem, index) => index === problems.findIndex((one) => isDeepStrictEqual(one, problem)));
}

function pick<Name extends keyof ServiceDiscoveryOptions>(
  options: ServiceDiscoveryOptions,
  names: readonly Name[],
): Pick<ServiceDiscoveryOptions, Name> {
  const picked: Partial<Pick<ServiceDiscoveryOptions, Name>> = {};
  for (const name of names) if (options[name] !== undefined) picked[name] = options[name];
  return picked as Pick<ServiceDiscoveryOptions, Name>;
}
