import { hostname } from 'node:os';
import { Logger, type Provider } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import {
  type Clock,
  isRecord,
  messageOf,
  type Random,
  ServiceTls,
  systemClock,
  systemRandom,
} from '../common/index.js';
import { CallPassiveHealth, NearNames, resolvePatterns, ServiceCommunicator } from '../communicator/index.js';
import {
  CheckShare,
  HealthAggregator,
  HealthMonitor,
  type HealthMonitorDeps,
  planChecks,
  resolveHealthCheckOptions,
} from '../health/index.js';
import { HostPolicy, type InstanceKey, type ServiceInstance } from '../model/index.js';
import {
  CallFigures,
  DiscoveryMetrics,
  EventBus,
  EventLogger,
  Fleet,
  Journal,
  type JournalWriter,
  OpenTelemetryTracer,
  SplitFigures,
} from '../observability/index.js';
import {
  ListedGateways,
  ListedInstances,
  RolloutDriver,
  type RolloutFigures,
  SERVICE_REGISTRY_OPTIONS,
  ServiceRegistry,
} from '../registry/index.js';
import {
  MemoryRegistryStore,
  RedisRegistryStore,
  type RedisRegistryStoreOptions,
  type RedisTrouble,
  type RegistryStore,
  RemoteRegistryStore,
  type RemoteRegistryStoreDeps,
} from '../store/index.js';
import { type Transport, UndiciTransport } from '../transport/index.js';
import { atStart } from './at-start.js';
import { AxiosTransport, findHttpService } from './axios-transport/index.js';
import { currentDeadline, currentHeaders, currentIds, DeadlineTrust, IncomingHook } from './incoming/index.js';
import { ResiliencePolicies } from './decorators/index.js';
import { ServiceDiscoveryExplorer } from './explorer.js';
import { LeaseChoice } from './lease-choice.js';
import { ServiceDiscoveryLifecycle, STEP_MS } from './lifecycle/index.js';
import { LOG_CONTEXT, nestLoggerPort } from './logging.js';
import {
  DEFAULT_REDIS_URL,
  isAxios,
  type ResolvedServiceDiscoveryOptions,
  resolveServiceDiscoveryOptions,
  type ServiceDiscoveryOptions,
} from './options/index.js';
import { ServiceReadiness } from './readiness/index.js';
import { RegistryPlace } from './registry-place.js';
import { ListedTimers } from './schedule/index.js';
import { ServiceDiscovery } from './service-discovery.js';
import { HealthChecks, HealthIndicators, ServiceDiscoveryHealthIndicator } from './terminus/index.js';
import {
  CLOCK,
  HOST_POLICY,
  JOURNAL_WRITER,
  OPTIONS_IN_FORCE,
  RANDOM,
  REGISTRY_STORE,
  SERVICE_DISCOVERY_OPTIONS,
  TRANSPORT,
} from './tokens.js';

type Options = ResolvedServiceDiscoveryOptions;

/** What everything is made of. `SERVICE_DISCOVERY_OPTIONS` comes from the module. */
export const CORE_PROVIDERS: readonly Provider[] = [
  { provide: OPTIONS_IN_FORCE, inject: [SERVICE_DISCOVERY_OPTIONS], useFactory: optionsInForce },
  { provide: CLOCK, useValue: systemClock },
  { provide: RANDOM, useValue: systemRandom },
  { provide: ListedTimers, inject: [CLOCK], useFactory: (clock: Clock) => new ListedTimers(clock) },
  { provide: EventBus, inject: [CLOCK], useFactory: createEventBus },
  {
    provide: EventLogger,
    inject: [OPTIONS_IN_FORCE, EventBus, ServiceRegistry, ListedInstances, CLOCK],
    useFactory: createEventLogger,
  },
  {
    provide: REGISTRY_STORE,
    inject: [OPTIONS_IN_FORCE, EventBus, CLOCK, RANDOM, ListedTimers],
    useFactory: createStore,
  },
  {
    provide: ServiceRegistry,
    inject: [OPTIONS_IN_FORCE, REGISTRY_STORE, EventBus, CLOCK, RANDOM, ListedTimers],
    useFactory: createRegistry,
  },
  {
    provide: ListedInstances,
    inject: [OPTIONS_IN_FORCE, ServiceRegistry, RANDOM, ListedTimers],
    useFactory: createListedInstances,
  },
  {
    provide: ListedGateways,
    inject: [OPTIONS_IN_FORCE, ServiceRegistry, ListedTimers],
    useFactory: createListedGateways,
  },
  {
    provide: DiscoveryMetrics,
    inject: [OPTIONS_IN_FORCE, EventBus, ServiceRegistry, ServiceCommunicator, CLOCK],
    useFactory: createMetrics,
  },
  { provide: JOURNAL_WRITER, inject: [ServiceRegistry, RANDOM], useFactory: createJournalWriter },
  { provide: Journal, inject: [OPTIONS_IN_FORCE, EventBus, JOURNAL_WRITER, CLOCK], useFactory: createJournal },
  {
    provide: CallFigures,
    inject: [EventBus, JOURNAL_WRITER, ServiceCommunicator, CLOCK],
    useFactory: createCallFigures,
  },
  { provide: SplitFigures, inject: [EventBus, ServiceRegistry], useFactory: createSplitFigures },
  {
    provide: Fleet,
    inject: [OPTIONS_IN_FORCE, REGISTRY_STORE, Journal, CallFigures, SplitFigures, JOURNAL_WRITER, CLOCK, RANDOM],
    useFactory: createFleet,
  },
  {
    provide: RolloutDriver,
    inject: [REGISTRY_STORE, ServiceRegistry, SplitFigures, Fleet, JOURNAL_WRITER, EventBus, CLOCK, RANDOM],
    useFactory: createRolloutDriver,
  },
  { provide: HOST_POLICY, inject: [OPTIONS_IN_FORCE], useFactory: createHostPolicy },
  {
    provide: TRANSPORT,
    inject: [OPTIONS_IN_FORCE, HOST_POLICY, EventBus, CLOCK, ModulesContainer],
    useFactory: createTransport,
  },
  {
    provide: ServiceCommunicator,
    inject: [
      OPTIONS_IN_FORCE,
      ServiceRegistry,
      RegistryPlace,
      NearNames,
      TRANSPORT,
      EventBus,
      CLOCK,
      RANDOM,
      DeadlineTrust,
    ],
    useFactory: createCommunicator,
  },
  {
    provide: HealthMonitor,
    inject: [
      OPTIONS_IN_FORCE,
      HOST_POLICY,
      REGISTRY_STORE,
      ServiceRegistry,
      ServiceCommunicator,
      EventBus,
      CLOCK,
      RANDOM,
      ListedTimers,
    ],
    useFactory: createMonitor,
  },
  {
    provide: HealthAggregator,
    inject: [OPTIONS_IN_FORCE, ServiceRegistry, ServiceCommunicator, EventBus, CLOCK],
    useFactory: createAggregator,
  },
  {
    provide: ResiliencePolicies,
    inject: [OPTIONS_IN_FORCE, EventBus, CLOCK, RANDOM],
    useFactory: createPolicies,
  },
  { provide: DeadlineTrust, inject: [OPTIONS_IN_FORCE], useFactory: createDeadlineTrust },
  IncomingHook,
  RegistryPlace,
  {
    provide: NearNames,
    inject: [ServiceRegistry, RegistryPlace, CLOCK],
    useFactory: (registry: ServiceRegistry, place: RegistryPlace, clock: Clock) =>
      new NearNames(
        () => registry.snapshot.services.keys(),
        clock,
        () => place.notFoundHint(),
      ),
  },
  ServiceReadiness,
  LeaseChoice,
  ServiceDiscovery,
  HealthChecks,
  HealthIndicators,
  ServiceDiscoveryHealthIndicator,
  ServiceDiscoveryExplorer,
  ServiceDiscoveryLifecycle,
];

/** Providers that an app may inject, and those that controllers need when a module of the app mounts them. */
export const CORE_EXPORTS = [
  SERVICE_DISCOVERY_OPTIONS,
  OPTIONS_IN_FORCE,
  HOST_POLICY,
  CLOCK,
  RANDOM,
  REGISTRY_STORE,
  TRANSPORT,
  EventBus,
  ServiceRegistry,
  DiscoveryMetrics,
  Journal,
  CallFigures,
  SplitFigures,
  Fleet,
  JOURNAL_WRITER,
  ServiceCommunicator,
  HealthAggregator,
  HealthMonitor,
  ResiliencePolicies,
  ServiceDiscovery,
  LeaseChoice,
  HealthChecks,
  HealthIndicators,
  ServiceDiscoveryHealthIndicator,
  ServiceReadiness,
];

/** A test may override `SERVICE_DISCOVERY_OPTIONS` with options as `forRoot` takes them. */
function optionsInForce(given: Options | ServiceDiscoveryOptions): Options {
  return isResolved(given) ? given : atStart(() => resolveServiceDiscoveryOptions(given, process.env));
}

/** `communicator` is a group of resolved options alone. */
function isResolved(options: Options | ServiceDiscoveryOptions): options is Options {
  return isRecord(options) && 'communicator' in options;
}

function createEventBus(clock: Clock): EventBus {
  const logger = new Logger(LOG_CONTEXT);
  return new EventBus({
    clock,
    ids: currentIds,
    onListenerError: (error, { type }) => logger.error(`A listener of ${type} failed`, error),
  });
}

function createEventLogger(
  { logging, mode }: Options,
  bus: EventBus,
  registry: ServiceRegistry,
  listed: ListedInstances,
  clock: Clock,
): EventLogger | null {
  // In `memory_only`, this process logs events of all instances; with a shared registry, each process logs those of its own.
  const isOwn = mode === 'memory_only' ? undefined : (key: InstanceKey) => registry.isOwn(key) || listed.has(key);
  return logging === false ? null : new EventLogger(bus, nestLoggerPort(logging.fields), logging, { clock, isOwn });
}

function createStore(
  { store, remote, redis, selfPreservation }: Options,
  events: EventBus,
  clock: Clock,
  random: Random,
  timers: ListedTimers,
): RegistryStore {
  if (store) return store;
  if (remote) {
    const onBadRecord: RemoteRegistryStoreDeps['onBadRecord'] = (service, instanceId, reason) =>
      events.emit('registry.trouble', { kind: 'bad_record', service, instanceId, reason });
    return new RemoteRegistryStore(remote, { clock, onBadRecord, events });
  }
  if (redis) return createRedisStore({ ...redis, selfPreservation }, events, clock, random, timers);
  return new MemoryRegistryStore({ clock: timers.clockFor('expiry'), selfPreservation });
}

function createRedisStore(
  redis: RedisRegistryStoreOptions,
  events: EventBus,
  clock: Clock,
  random: Random,
  timers: ListedTimers,
): RedisRegistryStore {
  const onTrouble = ({ serviceName: service, ...rest }: RedisTrouble): void =>
    events.emit('registry.trouble', { service, ...rest });
  const expiryClock = timers.clockFor('expiry');
  const unreachableHint =
    redis.url === DEFAULT_REDIS_URL ? 'SERVICE_DISCOVERY_REDIS_URL, or redis.url, says where else it is' : undefined;
  return new RedisRegistryStore(redis, { clock, random, expiryClock, onTrouble, unreachableHint });
}

function createRegistry(
  options: Options,
  store: RegistryStore,
  events: EventBus,
  clock: Clock,
  random: Random,
  timers: ListedTimers,
): ServiceRegistry {
  const logger = new Logger(LOG_CONTEXT);
  return new ServiceRegistry(store, options.registry, {
    clock,
    heartbeatClock: timers.clockFor('heartbeats'),
    random,
    events,
    onListenerError: (error) => logger.error('A listener of the registry failed', error),
  });
}

function createListedInstances(
  { services, registry: options, mode }: Options,
  registry: ServiceRegistry,
  random: Random,
  timers: ListedTimers,
): ListedInstances {
  const { serviceTtl, heartbeatInterval, trackHeartbeats } = SERVICE_REGISTRY_OPTIONS.resolve(options);
  const logger = new Logger(LOG_CONTEXT);
  return new ListedInstances(services, {
    registry,
    clock: timers.clockFor('heartbeats'),
    random,
    serviceTtlMs: serviceTtl,
    heartbeatIntervalMs: heartbeatInterval,
    removesAtEnd: mode !== 'memory_only' && trackHeartbeats,
    refused: ({ serviceName, instanceId }, error) =>
      logger.warn(`The registry refuses ${serviceName}/${instanceId} of the option services: ${messageOf(error)}`),
  });
}

function createListedGateways({ gateways }: Options, registry: ServiceRegistry, timers: ListedTimers): ListedGateways {
  const logger = new Logger(LOG_CONTEXT);
  return new ListedGateways(gateways, {
    registry,
    clock: timers.clockFor('heartbeats'),
    refused: (service, error) =>
      logger.warn(`The registry refuses the gateway of ${service} of the option services: ${messageOf(error)}`),
  });
}

function createMetrics(
  { metrics }: Options,
  bus: EventBus,
  registry: ServiceRegistry,
  communicator: ServiceCommunicator,
  clock: Clock,
): DiscoveryMetrics {
  const calls = callsOf(communicator);
  return new DiscoveryMetrics(bus, registry, metrics, { clock, load: () => calls.load() });
}

function createJournalWriter(registry: ServiceRegistry, random: Random): JournalWriter {
  return {
    process: `${hostname()}:${process.pid}`,
    service: () => registry.ownLeases()[0]?.serviceName,
    tag: Math.floor(random() * 36 ** 8).toString(36),
  };
}

function createJournal({ journal }: Options, bus: EventBus, writer: JournalWriter, clock: Clock): Journal {
  return new Journal(bus, writer, journal, clock);
}

function createCallFigures(
  bus: EventBus,
  writer: JournalWriter,
  communicator: ServiceCommunicator,
  clock: Clock,
): CallFigures {
  const calls = callsOf(communicator);
  const queued = (service: string): number => calls.load(service)[0]?.queued ?? 0;
  return new CallFigures(bus, () => writer.service() ?? writer.process, clock, queued);
}

function createSplitFigures(bus: EventBus, registry: ServiceRegistry): SplitFigures {
  return new SplitFigures(bus, (service) => registry.splitOf(service));
}

function createFleet(
  { report: reports }: Options,
  store: RegistryStore,
  journal: Journal,
  figures: CallFigures,
  splits: SplitFigures,
  writer: JournalWriter,
  clock: Clock,
  random: Random,
): Fleet {
  const isChannel = store instanceof RedisRegistryStore || store instanceof RemoteRegistryStore;
  return new Fleet({
    journal,
    figures,
    splits,
    channel: isChannel ? store : undefined,
    reports,
    writer,
    clock,
    random,
  });
}

/** Null where another process holds the registry, to which all report: that one moves rollouts. */
function createRolloutDriver(
  store: RegistryStore,
  registry: ServiceRegistry,
  splits: SplitFigures,
  fleet: Fleet,
  writer: JournalWriter,
  events: EventBus,
  clock: Clock,
  random: Random,
): RolloutDriver | null {
  if (store instanceof RemoteRegistryStore) return null;
  const figuresOf = async (service: string): Promise<RolloutFigures> => {
    await fleet.catchUp();
    const canary = splits.of(service).find(({ part }) => part === 'canary');
    return canary ?? { attempts: 0, errors: 0, p99: null };
  };
  const tag = `${writer.process} ${writer.tag}`;
  return new RolloutDriver({ registry, clock, random, events, tag, figuresOf });
}

/** The targets and gateways of `services` are the operator's word, too. */
function createHostPolicy({ allowedHosts, services, gateways }: Options): HostPolicy {
  const listed = [...services.map(({ host }) => host), ...gateways.map(({ url }) => new URL(url).hostname)];
  return new HostPolicy(allowedHosts, 'allowedHosts', listed);
}

function createTransport(
  { transport, tls, shutdown }: Options,
  hosts: HostPolicy,
  events: EventBus,
  clock: Clock,
  modules: ModulesContainer,
): Transport {
  const closeTimeoutMs = Math.min(shutdown.timeoutMs, STEP_MS);
  if (typeof transport === 'object' && 'send' in transport) return transport;
  if (isAxios(transport)) {
    const maxBytes = transport === 'axios' ? undefined : transport.maxResponseSize;
    return new AxiosTransport(() => findHttpService(modules), {
      clock,
      closeTimeoutMs,
      maxBytes,
      tls: new ServiceTls(tls, { clock, events, use: 'calls' }),
      hosts,
    });
  }
  const { type: _, ...options } = typeof transport === 'string' ? { type: transport } : transport;
  return new UndiciTransport({ ...options, closeTimeout: `${closeTimeoutMs}ms` }, { clock, events, hosts });
}

function createCommunicator(
  { communicator, strategies, inheritDeadline, requireTls, meshServices }: Options,
  registry: ServiceRegistry,
  place: RegistryPlace,
  nearNames: NearNames,
  transport: Transport,
  events: EventBus,
  clock: Clock,
  random: Random,
  { key: deadlineKey }: DeadlineTrust,
): ServiceCommunicator {
  const ambientDeadline = inheritDeadline === false ? undefined : currentDeadline;
  const hints = {
    suggestName: (name: string) => nearNames.suggest(name),
    addressDoubt: (instance: ServiceInstance) => place.addressDoubt(instance),
  };
  const settings = {
    ambientDeadline,
    ambientHeaders: currentHeaders,
    deadlineKey,
    strategies,
    requireTls,
    meshServices,
  };
  const tracer = new OpenTelemetryTracer({
    onUnavailable: (error) => new Logger(LOG_CONTEXT).warn(`Calls are not traced: ${messageOf(error)}`),
  });
  const deps = { registry, transport, events, clock, random, tracer, ...settings, ...hints };
  return new ServiceCommunicator(deps, communicator);
}

/** A process that registers with another one may know the token from there alone. */
function createDeadlineTrust({ api, token, remote, inheritDeadline }: Options): DeadlineTrust {
  const ofApi = api === false ? undefined : api.token;
  const tokens = [ofApi ?? token, remote?.token].filter((text) => text !== undefined);
  const distinct = [...new Set(tokens)].join(',');
  return new DeadlineTrust(
    distinct === '' ? undefined : distinct,
    typeof inheritDeadline === 'function' ? inheritDeadline : undefined,
  );
}

function createPolicies(
  { communicator: { patterns: changes, ...defaults }, strategies }: Options,
  events: EventBus,
  clock: Clock,
  random: Random,
): ResiliencePolicies {
  const settings = { defaults, patterns: resolvePatterns(changes, defaults, { strategies }) };
  return new ResiliencePolicies({ events, clock, random, settings });
}

function createAggregator(
  { health, mode, namespace }: Options,
  registry: ServiceRegistry,
  communicator: ServiceCommunicator,
  events: EventBus,
  clock: Clock,
): HealthAggregator {
  const logger = new Logger(LOG_CONTEXT);
  const onError = (error: unknown): void => logger.error('Failed to compute aggregated health', error);
  // With `follow: 'used'`, required services count as used.
  for (const name of health.required ?? []) void registry.follow(name).catch(() => undefined);
  const passive = new CallPassiveHealth(callsOf(communicator), events, { clock });
  // In the mode `remote`, the namespace is that of the registry process, and unknown here.
  const shown = mode === 'remote' ? undefined : namespace;
  return new HealthAggregator(registry, { clock, passive, namespace: shown, onError }, health);
}

type CallsOfProcess = Pick<ServiceCommunicator, 'circuitBreakers' | 'ejections' | 'unreachable' | 'idleMs' | 'load'>;

const NO_CALLS: CallsOfProcess = {
  circuitBreakers: () => [],
  ejections: () => [],
  unreachable: () => [],
  load: () => [],
  idleMs: () => Number.POSITIVE_INFINITY,
};

/** The state of calls. A test may have replaced the communicator by a mock that has only the methods that the app calls. */
function callsOf(communicator: ServiceCommunicator): CallsOfProcess {
  return communicator instanceof ServiceCommunicator ? communicator : NO_CALLS;
}

/** Logged because there are no checks at all if every process leaves them to the others. */
const UNCHECKED =
  "This process makes no health checks, since it does not know all instances (follow: 'used'): leave that to a process " +
  "with follow: 'all', and set healthCheck: false here";

/**
 * In the mode `remote` the process that is the registry checks; over Redis all processes share the checks out that know
 * all instances, since each has to come to the same shares.
 */
function createMonitor(
  { mode, healthCheck, tls, requireTls, logging, registry: { follow } }: Options,
  hosts: HostPolicy,
  store: RegistryStore,
  registry: ServiceRegistry,
  communicator: ServiceCommunicator,
  events: EventBus,
  clock: Clock,
  random: Random,
  timers: ListedTimers,
): HealthMonitor | null {
  const options = resolveHealthCheckOptions(healthCheck, 'healthCheck', tls);
  if (mode === 'remote' || !options.enabled) return null;
  if (follow === 'used') {
    if (logging !== false) new Logger(LOG_CONTEXT).warn(UNCHECKED);
    return null;
  }
  const listed = timers.clockFor('health-checks');
  const setTimer: Clock['setTimer'] = (fn, ms, timerOptions) => listed.setTimer(fn, ms, timerOptions);
  const { intervalMs } = options.schedule;
  const isLocal = (key: InstanceKey): boolean => registry.isPending(key);
  const share =
    store instanceof RedisRegistryStore ? new CheckShare(store, { clock, random, intervalMs, isLocal }) : undefined;
  const instancesOf = (name: string): readonly ServiceInstance[] => registry.snapshot.services.get(name) ?? [];
  const planner = planChecks(options, { hosts, instancesOf, requireTls, clock, events });
  const calls = callsOf(communicator);
  const idleMs = (key: InstanceKey): number => calls.idleMs(key);
  const onUnreachable: HealthMonitorDeps['onUnreachable'] = (listener) =>
    events.on('instance.unreachable', ({ key }) => listener(key));
  return new HealthMonitor(registry, planner, options, {
    clock,
    random,
    events,
    setTimer,
    share,
    idleMs,
    onUnreachable,
  });
}
