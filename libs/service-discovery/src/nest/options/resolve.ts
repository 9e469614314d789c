import { isDeepStrictEqual } from 'node:util';
import {
  assertOptions,
  InvalidConfigurationError,
  OptionValidator,
  type Problem,
  TOKEN,
  withoutUndefined,
} from '../../common/index.js';
import { COMMUNICATOR_OPTIONS, type CommunicatorDefaults } from '../../communicator/index.js';
import { SERVICE_REGISTRY_OPTIONS } from '../../registry/index.js';
import { givingWay } from '../giving-way.js';
import { API_OPTION_GROUP, type ApiOptions, DEFAULT_API_OPTIONS } from '../rest/api-options.js';
import {
  checkCalls,
  checkFollow,
  checkHealthCheck,
  checkHosts,
  checkMode,
  checkOfflineWrites,
  checkRedis,
  checkRemote,
  checkServices,
  checkStore,
  checkTransport,
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
import { difference, fromPaths, isNamed, isSet, layer } from './layers.js';
import {
  isPreset,
  MODULE_OPTIONS,
  type ResolvedServiceDiscoveryOptions,
  type ServiceDiscoveryMode,
  type ServiceDiscoveryOptions,
  SHUTDOWN_OPTIONS,
  type ShutdownOptions,
} from './options.js';
import { getServiceDiscoveryConfig } from './presets.js';

/**
 * Merges defaults, preset, environment and options, in order of increasing precedence, and validates the result.
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
  const resolved = {
    ...resolveMerged(merged, options, empty, check),
    token: tokenOf(settings, check),
    overruled: overruledBy(merged, inForce),
  };
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
): Omit<ResolvedServiceDiscoveryOptions, 'token' | 'overruled'> {
  const own = pick(options, MODULE_OPTIONS.names);
  const { strategies, requireTls, namespace, health, report, traceContext } = MODULE_OPTIONS.read(own, check);
  const store = checkStore(given, check);
  const mode = checkMode(options, given, empty, check);
  const maxOfflineWrites = checkOfflineWrites(options, mode, check);
  const { maxOfflineWrites: _resolved, ...registry } = pick(options, SERVICE_REGISTRY_OPTIONS.names);
  check.gather(() => SERVICE_REGISTRY_OPTIONS.resolve(registry));
  checkFollow(options, mode, check);
  const communicator: CommunicatorDefaults = pick(options, [...COMMUNICATOR_OPTIONS.names, 'patterns']);
  checkCalls(communicator, strategies, check);
  const { transport, inheritDeadline, requestId, advertise, selfPreservation, logging, metrics, journal } = {
    ...MODULE_OPTIONS.defaults,
    ...withoutUndefined(own),
  };
  return {
    preset: options.preset,
    mode,
    store,
    remote: mode === 'remote' ? checkRemote(options, check) : undefined,
    redis: mode === 'redis_backed' || mode === 'hybrid' ? checkRedis(options, check) : undefined,
    namespace,
    registry: { ...registry, maxOfflineWrites },
    ...checkServices(options.services, given, check),
    selfPreservation,
    healthCheck: checkHealthCheck(options, check),
    health,
    communicator,
    strategies,
    transport,
    tls: checkTransport(transport, check),
    requireTls,
    api: options.api === false ? false : resolveApi(options.api, check),
    allowedHosts: checkHosts(options, check),
    inheritDeadline,
    requestId,
    traceContext,
    advertise,
    shutdown: resolveShutdown(options.shutdown, mode, check),
    logging,
    metrics,
    journal,
    report,
  };
}

/** The variables that name a registry but are overruled by `mode: 'memory_only'`. */
function overruledBy({ mode }: ServiceDiscoveryOptions, inForce: readonly EnvironmentSetting[]): string[] {
  if (mode !== 'memory_only') return [];
  return inForce.filter(({ path }) => path === 'registryUrl' || path === 'redis.url').map(({ name }) => name);
}

/** The token of the environment, used by controllers that the app mounts itself. */
function tokenOf(settings: readonly EnvironmentSetting[], check: OptionValidator): string | undefined {
  const setting = settings.find(({ path }) => path === 'api.token');
  return setting && TOKEN.read(setting.value, setting.name, check);
}

function resolveApi(options: Partial<ApiOptions> | undefined, check: OptionValidator): ApiOptions {
  return check.gather(() => API_OPTION_GROUP.resolve(options)) ?? DEFAULT_API_OPTIONS;
}

function resolveShutdown(
  given: ShutdownOptions | undefined,
  mode: ServiceDiscoveryMode | undefined,
  check: OptionValidator,
): ResolvedServiceDiscoveryOptions['shutdown'] {
  const options = check.gather(() => SHUTDOWN_OPTIONS.resolve(given)) ?? SHUTDOWN_OPTIONS.resolve();
  // In `memory_only` every reader of the registry sees a draining instance immediately.
  const { drainDelay = mode === 'memory_only' ? 0 : 300, timeout } = options;
  return { drainDelayMs: drainDelay, timeoutMs: timeout };
}

function without(options: ServiceDiscoveryOptions, wrong: readonly Problem[]): ServiceDiscoveryOptions {
  const right = Object.entries(options).filter(([name]) => !wrong.some(({ path }) => path === name));
  return Object.fromEntries(right);
}

/** By path, the options that replace an option. */
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

/** Reports a problem of a value from the environment under the name of its variable. */
function inItsOwnTerms(
  problem: Problem,
  options: ServiceDiscoveryOptions,
  inForce: readonly EnvironmentSetting[],
  empty: readonly string[],
): Problem {
  // Merging moves a plain strategy to `loadBalancing.strategy` if there are options beside it.
  const given = problem.path === 'loadBalancing.strategy' ? 'loadBalancing' : problem.path;
  const setting = inForce.find(({ path }) => path === given || given.startsWith(`${path}[`));
  if (setting) return toEnvironmentProblem(problem, setting);
  const isMissing = problem.value === undefined && !isNamed(options, given);
  if (isMissing && empty.includes(given)) return { ...problem, path: variableFor(given) ?? problem.path, value: '' };
  // If the environment sets the mode, the missing URL is probably missing there, too.
  const isOfMode = isMissing && inForce.some(({ path }) => path === 'mode');
  return isOfMode ? { ...problem, path: variableFor(given) ?? problem.path } : problem;
}

/** Removes duplicates: a variable that sets several options is reported once. */
function distinct(problems: readonly Problem[]): Problem[] {
  return problems.filter((problem, index) => index === problems.findIndex((one) => isDeepStrictEqual(one, problem)));
}

function pick(options: ServiceDiscoveryOptions, names: readonly string[]): ServiceDiscoveryOptions {
  return Object.fromEntries(
    Object.entries(options).filter(([name, value]) => names.includes(name) && value !== undefined),
  );
}
