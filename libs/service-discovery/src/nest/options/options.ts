import { type NamedStrategies } from '../../balancing/index.js';
import {
  type AnyOptionGroup,
  boolean,
  count,
  custom,
  duration,
  fromEnv,
  isRecord,
  oneOf,
  type Option,
  optional,
  OptionGroup,
  type OptionsOf,
  suggestNear,
  type TlsByService,
  unchecked,
} from '../../common/index.js';
import { type CommunicatorDefaults } from '../../communicator/index.js';
import {
  type CronTimes,
  HEALTH_AGGREGATOR_OPTIONS,
  type HealthAggregatorOptions,
  HEALTH_CHECK_OPTIONS,
  type HealthCheckOptions,
} from '../../health/index.js';
import {
  type DiscoveryMetricsOptions,
  EVENT_LOGGER_OPTIONS,
  type EventLoggerOptions,
  JOURNAL_OPTIONS,
  type JournalOptions,
  METRICS_OPTIONS,
} from '../../observability/index.js';
import { type ListedGateway, type ListedService, type ServiceRegistryOptions } from '../../registry/index.js';
import {
  ALLOWED_HOSTS,
  type AllowedHosts,
  findRegistrationProblems,
  type ServiceRegistration,
} from '../../model/index.js';
import {
  REDIS_REGISTRY_STORE_OPTIONS,
  type RedisRegistryStoreOptions,
  type RegistryStore,
  REMOTE_REGISTRY_STORE_OPTIONS,
  type RemoteRegistryStoreOptions,
  SELF_PRESERVATION,
  type SelfPreservationOptions,
} from '../../store/index.js';
import { type Transport, UNDICI_TRANSPORT_OPTIONS, type UndiciTransportOptions } from '../../transport/index.js';
import { type DeadlineCheck } from '../incoming/deadline-trust.js';
import { REQUEST_ID_OPTIONS, type RequestIdOptions } from '../incoming/passed-on.js';
import { API_OPTION_GROUP, type ApiOptions } from '../rest/api-options.js';
import { DECORATORS } from '../route-decorators.js';

/** The kinds of environment with a preset. */
export type PresetName = (typeof PRESET_NAMES)[number];
export const PRESET_NAMES = ['development', 'testing', 'staging', 'production'] as const;

export function isPreset(name: unknown): name is PresetName {
  return (PRESET_NAMES as readonly unknown[]).includes(name);
}

/**
 * Where registrations live: in this process, in Redis, in Redis with local writes during an outage of Redis, or in the
 * process behind `registryUrl`.
 */
export type ServiceDiscoveryMode = (typeof SERVICE_DISCOVERY_MODES)[number];
export const SERVICE_DISCOVERY_MODES = ['memory_only', 'redis_backed', 'hybrid', 'remote'] as const;

/**
 * What sends requests: undici or the app's `HttpService` of `@nestjs/axios`, optionally with options, or a custom transport.
 * `'axios'` needs `@nestjs/axios` and `axios` installed, and `HttpModule` imported in the app.
 */
export type TransportChoice = (typeof TRANSPORT_NAMES)[number] | TransportOptions | AxiosTransportOptions | Transport;
export const TRANSPORT_NAMES = ['undici', 'axios'] as const;

/** Undici's options except `closeTimeout`, which follows from `shutdown.timeout`. */
export interface TransportOptions extends Omit<UndiciTransportOptions, 'closeTimeout'> {
  /** @default 'undici' */
  type?: 'undici';
}

export const AXIOS_TRANSPORT_OPTIONS = UNDICI_TRANSPORT_OPTIONS.without(
  ...(['connections', 'warmConnections', 'connectTimeout', 'keepAliveTimeout', 'bodyTimeout', 'closeTimeout'] as const),
);

/**
 * Options beside those of the app's `HttpService`. With `tls`, the transport opens its own TLS connections instead of using
 * the `httpsAgent` of the `HttpService`.
 */
export interface AxiosTransportOptions extends Partial<OptionsOf<typeof AXIOS_TRANSPORT_OPTIONS>> {
  type: 'axios';
}

/** Whether the app's own `HttpService` sends. */
export function isAxios(transport: TransportChoice): transport is 'axios' | AxiosTransportOptions {
  return transport === 'axios' || (typeof transport === 'object' && 'type' in transport && transport.type === 'axios');
}

const ADVERTISE_OPTIONS = new OptionGroup(
  'advertise',
  {
    /**
     * A host name or IP address under which other processes reach this one.
     * @default the address that the server is bound to; if it is bound to all, the first external address, IPv4 before
     * IPv6, but 127.0.0.1 with a registry on this machine unless a token or `api.guard` admits other machines
     */
    host: fromEnv('HOST', optional(unchecked<string>({ range: 'a host name or address' }))),
    /** The port under which other processes reach this one: 1 to 65535. @default the port that the server listens on */
    port: fromEnv('PORT', optional(unchecked<number>({ range: '1–65,535', kind: 'number' }))),
    /**
     * Whether services register when the server listens and the app is ready (see `ServiceReadiness`), or as soon as it
     * listens. A registered instance can be discovered at once, ranked behind instances that a check found healthy; if
     * there are none, it receives calls.
     * @default 'ready'
     */
    when: oneOf(['ready', 'listening'], { default: 'ready' }),
  },
  ({ host = 'localhost', port = 1 }, _given, check) => {
    for (const { path, value, expected } of findRegistrationProblems({ serviceName: 'any', host, port })) {
      check.problem(path, value, expected);
    }
  },
);

/** The address to register, and when. */
export interface AdvertiseOptions extends Partial<OptionsOf<typeof ADVERTISE_OPTIONS>> {}

const FIVE_MINUTES_MS = 300_000;

export const SHUTDOWN_OPTIONS = new OptionGroup('shutdown', {
  /**
   * How long own instances stay listed as `draining` before they deregister, while the server still serves, so that
   * callers and load balancers notice and stop sending requests: 0 to 5 min.
   * @default 0 in `memory_only`, where all readers notice at once, 300 ms elsewhere
   */
  drainDelay: optional(duration({ maxMs: FIVE_MINUTES_MS })),
  /**
   * Timeout for the rest of the shutdown: 1 ms to 5 min. Requests in flight may use all of it, and are then aborted. A
   * step that waits for the registry takes at most 2 s. Keep the sum of both below the platform's kill timeout, 30 s on
   * Kubernetes.
   * @default 20 s
   */
  timeout: duration({ default: '20s', minMs: 1, maxMs: FIVE_MINUTES_MS }),
});

/** How the process shuts down. */
export interface ShutdownOptions extends Partial<OptionsOf<typeof SHUTDOWN_OPTIONS>> {}

const HEALTH_OPTIONS = new OptionGroup('health', {
  ...HEALTH_AGGREGATOR_OPTIONS.options,
  /**
   * Decorators for `GET /health`, `/health/live` and `/health/ready` in place of `api.decorators`, such as the app's
   * `@Public()`, which exempts a route from its global guard. With `forRootAsync`, set it beside `useFactory`: controllers are
   * static.
   * @default `api.decorators`
   */
  decorators: DECORATORS,
});

/** Aggregation of the health of all services, and the health routes of this process. */
export interface HealthOptions extends OptionsOf<typeof HEALTH_OPTIONS> {}

/** How often instances are checked, and what counts as healthy. */
interface ScheduledHealthCheckOptions extends Omit<HealthCheckOptions, 'cron'> {
  /**
   * A cron expression in place of an `interval`: five fields, or six with seconds first, in the time zone of the process.
   * All instances are checked at those times, except new ones, which are checked within a second, and those whose
   * registration or entry in `services` sets an interval. Needs `@nestjs/schedule`; a custom `CronTimes` does not.
   * @default none
   */
  cron?: string | CronTimes;
}

/** Options that are validated here and passed on unresolved. */
function whole<Given extends object>(
  inner: AnyOptionGroup & { readonly resolve: (given: Given, path: string) => object },
): Option<Given, Given, 'default'> {
  return custom({
    default: {} as Given,
    range: 'options',
    inner,
    read: (given, path, check) => {
      check.gather(() => inner.resolve(given as Given, check.pathOf(path)));
      return given as Given;
    },
  });
}

/** The Redis URL of modes that need one, if none is set. */
export const DEFAULT_REDIS_URL = 'redis://127.0.0.1:6379';

/** How many changes may wait for the registry in the mode `hybrid`. */
export const OFFLINE_WRITES = count({ default: 10_000, min: 1, max: 1_000_000 });

/** The options at the top level that belong to no other group there. */
export const MODULE_OPTIONS = new OptionGroup('', {
  /**
   * Settings for a kind of environment (`development`, `testing`, `staging`, `production`), overridden by options and
   * environment. With `production`, `app.listen()` rejects with an `InvalidConfigurationError` if other machines can reach the
   * API and it has neither a token nor a guard.
   * @default none
   */
  preset: optional(
    custom<PresetName>({
      range: PRESET_NAMES.map((name) => `\`${name}\``).join(', '),
      read: (value, path, check) => {
        if (!isPreset(value))
          check.problem(path, value, `one of ${PRESET_NAMES.join(', ')}${suggestNear(value, PRESET_NAMES)}`);
        return value as PresetName;
      },
    }),
  ),
  /**
   * Where registrations live; `SERVICE_DISCOVERY_MODE` in the environment.
   * - `memory_only`: in this process: for a single process, tests, and the process that serves as registry for others
   * - `redis_backed`: in Redis, shared by any number of processes; while Redis is unreachable, reads serve the last snapshot,
   *   and writes fail with `REGISTRY_UNAVAILABLE`
   * - `hybrid`: the same, but while Redis is unreachable, writes take effect in this process and are reconciled afterwards
   * - `remote`: in the process behind `registryUrl`, over its REST API
   * @default 'remote' if `registryUrl` is set, 'redis_backed' if `redis` has a URL or a client, else 'memory_only'; if either
   *   is given without a value, for example from an unset variable, the app does not start
   */
  mode: fromEnv(
    'MODE',
    optional(
      unchecked<ServiceDiscoveryMode>({ range: SERVICE_DISCOVERY_MODES.map((name) => `\`${name}\``).join(', ') }),
    ),
  ),
  /** `SERVICE_DISCOVERY_REGISTRY_URL`: the process whose REST API is the registry, such as `http://registry:3000`. @default none */
  registryUrl: fromEnv('REGISTRY_URL', optional(unchecked<string>({ range: 'an `http` or `https` URL' }))),
  /**
   * Connection to the remote registry: its `path` and `token`, additional `headers`, `requestTimeout`, `tls`.
   * @default `path` 'service-discovery', `requestTimeout` 5 s, the token of `SERVICE_DISCOVERY_TOKEN`
   */
  remote: optional(
    unchecked<Omit<RemoteRegistryStoreOptions, 'url'>>({
      range: 'options',
      inner: REMOTE_REGISTRY_STORE_OPTIONS.without('url'),
    }),
  ),
  /**
   * The Redis that holds the registry, and the connection to it; `SERVICE_DISCOVERY_REDIS_URL` sets its `url`.
   * @default `redis://127.0.0.1:6379` if the mode is set to `redis_backed` or `hybrid`
   */
  redis: optional(
    unchecked<Omit<RedisRegistryStoreOptions, 'namespace' | 'selfPreservation'>>({
      range: 'options',
      inner: REDIS_REGISTRY_STORE_OPTIONS.without('namespace', 'selfPreservation'),
    }),
  ),
  /**
   * A custom store for registrations instead of a mode; it must pass the contract suite of
   * `nest-service-discovery/testing`. Environment variables that set a mode, a registry URL or Redis are ignored. The module
   * does not close it, since other apps may use it, too.
   * @default by `mode`
   */
  store: optional(unchecked<RegistryStore>({ range: 'a `RegistryStore`' })),
  /** `SERVICE_DISCOVERY_NAMESPACE`: separates registries in the same Redis. @default 'default' */
  namespace: REDIS_REGISTRY_STORE_OPTIONS.options.namespace,
  /**
   * Instances that do not register themselves; `SERVICE_DISCOVERY_SERVICES` is the path of a JSON file with the same
   * list. They are checked like all others, and registered while a process that lists them runs; any number of
   * processes may list them.
   * @default none
   */
  services: fromEnv(
    'SERVICES',
    optional(unchecked<readonly ListedService[]>({ range: '`[{ name, targets, … }]`', kind: 'file' })),
  ),
  /**
   * When expiry is held because too many instances of a service miss their heartbeats at once; false: never. Use the
   * same value in all processes; in the mode `remote` only the registry process's value counts.
   * @default on
   */
  selfPreservation: SELF_PRESERVATION,
  /**
   * Only in the mode `hybrid`: how many instances may have changes queued while Redis is unreachable, 1 to 1,000,000.
   * Further ones fail with `REGISTRY_UNAVAILABLE`.
   * @default 10000
   */
  maxOfflineWrites: optional(OFFLINE_WRITES),
  /**
   * How instances are checked: intervals, timeout, and how many consecutive results change the status. False: this
   * process makes no checks. `SERVICE_DISCOVERY_HEALTH_CHECK_INTERVAL` and `…_TIMEOUT` in the environment.
   * @default on: each instance every 30 s, with a timeout of 10 s
   */
  healthCheck: unchecked<Partial<ScheduledHealthCheckOptions> | false>({
    default: {},
    range: 'options or `false`',
    inner: HEALTH_CHECK_OPTIONS,
    switchable: true,
  }),
  /**
   * How the health of all services is aggregated: which are required, and which are optional.
   * @default none is required or optional: the whole is healthy while every service is; 20 changes of each instance are kept
   */
  health: custom<Partial<HealthOptions>>({
    default: {},
    range: 'options',
    inner: HEALTH_OPTIONS,
    read: (given, path, check) => {
      const { decorators, ...health } = given as Partial<HealthOptions>;
      check.gather(() => HEALTH_AGGREGATOR_OPTIONS.resolve(health));
      if (decorators !== undefined) DECORATORS.read(decorators, `${path}.decorators`, check);
      return health;
    },
  }),
  /** Custom load balancing strategies by name, usable wherever a strategy is named. @default none */
  strategies: custom<NamedStrategies>({
    default: {},
    range: 'classes or factories by name',
    read: (value, path, check) => {
      if (!isRecord(value)) check.problem(path, value, 'an object of strategies by name');
      for (const [name, make] of isRecord(value) ? Object.entries(value) : []) {
        const expected = 'a Strategy or LoadBalancer class or factory';
        if (typeof make !== 'function') check.problem(`${path}.${name}`, make, expected);
      }
      // None where it is no such object at all.
      return isRecord(value) ? (value as NamedStrategies) : {};
    },
  }),
  /**
   * What sends requests. An object without `send` has options: `connections` (256 to one instance by default),
   * `warmConnections` (1), `connectTimeout` ('5s'), `keepAliveTimeout` ('4s'), `bodyTimeout` ('300s') and `tls`, or with
   * `type: 'axios'`, which needs `@nestjs/axios` and its `HttpModule`, only `tls`. Health checks go by its `tls`, too.
   * @default 'undici', with these defaults
   */
  transport: unchecked<TransportChoice>({
    default: 'undici',
    range: '`undici`, `axios`, the options below, or a `Transport` of your own',
  }),
  /**
   * Whether calls, health checks over HTTP and gRPC, and the remote registry require TLS: instances registered with `http`
   * get no calls and are not checked, and `registryUrl` must begin with `https`.
   * @default false
   */
  requireTls: boolean({ default: false }),
  /**
   * The REST API under `/service-discovery`, and the health routes: where they are mounted, and who may call them. False
   * disables both. With `forRootAsync`, set it beside `useFactory`, since controllers are determined before the factory runs.
   * @default on; open to this machine only until a `token` or a `guard` is set
   */
  api: unchecked<Partial<ApiOptions> | false>({
    default: {},
    range: 'options or `false`',
    inner: API_OPTION_GROUP,
    switchable: true,
  }),
  /**
   * Hosts that instances may have, enforced at registration over REST, at health checks and at calls of this process: names,
   * suffixes (`.svc.cluster.local`), addresses, CIDR ranges (`10.0.0.0/8`) and `'peer'`, or a function of a host. Hosts listed
   * in `services` are always allowed; link-local, cloud metadata, unspecified, multicast and broadcast addresses never are.
   * See {@link AllowedHosts}.
   * @default every other host
   */
  allowedHosts: ALLOWED_HOSTS,
  /**
   * Whether calls made while handling a request inherit the deadline in its `x-request-deadline`, in addition to their own
   * timeouts. The clocks of the processes must agree to within a fraction of the timeouts. With a shared token (`api.token`,
   * `remote.token`), deadlines are accepted only from services that hold it and from this machine; without a token, from
   * every request. A function replaces these defaults: it decides which other requests may set a deadline.
   * @default true
   */
  inheritDeadline: custom<boolean | DeadlineCheck>({
    default: true,
    range: '`true`, `false`, a function of the request',
    read: (value, path, check) => {
      const isRight = typeof value === 'boolean' || typeof value === 'function';
      if (!isRight) check.problem(path, value, 'true, false, or a function of a request');
      return value as boolean | DeadlineCheck;
    },
  }),
  /**
   * The request id: propagated to calls made while handling the request, and included in their events and log lines; false:
   * requests have no id.
   * @default taken from `x-request-id`; a request without one gets none
   */
  requestId: custom<Partial<RequestIdOptions> | false>({
    default: {},
    range: 'options or `false`',
    inner: REQUEST_ID_OPTIONS,
    switchable: true,
    read: (given, path, check) => {
      if (given !== false) check.gather(() => REQUEST_ID_OPTIONS.resolve(given as Partial<RequestIdOptions>, path));
      return given as Partial<RequestIdOptions> | false;
    },
  }),
  /**
   * Whether the trace context of a request (`traceparent`, `tracestate`, `baggage`) is propagated to calls made while
   * handling it, even without a tracer.
   * @default true
   */
  traceContext: boolean({ default: true }),
  /**
   * The address that this process's services register under, and when: for port mappings, and for hosts that other machines
   * know by another name.
   * `SERVICE_DISCOVERY_HOST` and `SERVICE_DISCOVERY_PORT` in the environment.
   * @default the address that the server listens on, once the app is ready
   */
  advertise: whole<AdvertiseOptions>(ADVERTISE_OPTIONS),
  /** How long instances of this process drain at shutdown, and the timeout for the rest of it. @default 300 ms (0 in `memory_only`), 20 s */
  shutdown: unchecked<ShutdownOptions>({ default: {}, range: 'options', inner: SHUTDOWN_OPTIONS }),
  /** How events are logged; false: not at all. @default on */
  logging: custom<EventLoggerOptions | false>({
    default: {},
    range: 'options or `false`',
    inner: EVENT_LOGGER_OPTIONS,
    switchable: true,
    read: (given, path, check) => {
      if (given !== false) check.gather(() => EVENT_LOGGER_OPTIONS.resolve(given as EventLoggerOptions, path));
      return given as EventLoggerOptions | false;
    },
  }),
  /** How much of the journal is kept, see `GET /service-discovery/journal`; false: no journal. @default on */
  journal: custom<JournalOptions | false>({
    default: {},
    range: 'options or `false`',
    inner: JOURNAL_OPTIONS,
    switchable: true,
    read: (given, path, check) => {
      if (given !== false) check.gather(() => JOURNAL_OPTIONS.resolve(given as JournalOptions, path));
      return given as JournalOptions | false;
    },
  }),
  /**
   * Whether this process reports its calls and its journal entries: over Redis to all processes of the namespace, in the mode
   * `remote` to the registry.
   * @default true
   */
  report: boolean({ default: true }),
  /**
   * The prom-client registry of the metrics, the prefix of their names, and the buckets of durations.
   * @default a registry of their own, `service_discovery_`, 1 ms to 30 s
   */
  metrics: whole<DiscoveryMetricsOptions>(METRICS_OPTIONS),
});

/**
 * Options of the module, all optional. Precedence: options given here, the environment, the preset, the defaults. Call
 * settings (`loadBalancing`, `circuitBreaker`, `retry`, `timeout`, `attemptTimeout`, `concurrency`, `pattern`,
 * `patterns`) are at the top level.
 */
export interface ServiceDiscoveryOptions
  extends
    CommunicatorDefaults,
    Partial<Omit<ServiceRegistryOptions, 'maxOfflineWrites'>>,
    Partial<OptionsOf<typeof MODULE_OPTIONS>> {}

/** Options in effect: validated, with all defaults. */
export interface ResolvedServiceDiscoveryOptions {
  readonly preset: PresetName | undefined;
  /** Undefined if `store` replaces the mode. */
  readonly mode: ServiceDiscoveryMode | undefined;
  readonly store: RegistryStore | undefined;
  /** Only in the mode `remote`. */
  readonly remote: RemoteRegistryStoreOptions | undefined;
  /** Only in the modes `redis_backed` and `hybrid`. */
  readonly redis: RedisRegistryStoreOptions | undefined;
  /** The variables that name a registry elsewhere, where the app's own `mode: 'memory_only'` wins over them. */
  readonly overruled: readonly string[];
  readonly namespace: string;
  readonly registry: Partial<ServiceRegistryOptions>;
  /** One for each target of `services`. */
  readonly services: readonly ServiceRegistration[];
  /** The `mesh` of the entries of `services` that have one, by name. */
  readonly meshServices: ReadonlyMap<string, boolean> | undefined;
  /** One for each `via` of `services`. */
  readonly gateways: readonly ListedGateway[];
  readonly selfPreservation: Partial<SelfPreservationOptions> | false;
  readonly healthCheck: Partial<HealthCheckOptions>;
  readonly health: Partial<HealthAggregatorOptions>;
  readonly communicator: CommunicatorDefaults;
  readonly strategies: NamedStrategies;
  readonly transport: TransportChoice;
  /** The TLS of calls, with files read. */
  readonly tls: TlsByService;
  readonly requireTls: boolean;
  readonly api: ApiOptions | false;
  /** Undefined: every host that is not forbidden. */
  readonly allowedHosts: AllowedHosts | undefined;
  /** The token of the environment, even if `api` is false. */
  readonly token: string | undefined;
  readonly inheritDeadline: boolean | DeadlineCheck;
  readonly requestId: Partial<RequestIdOptions> | false;
  readonly traceContext: boolean;
  readonly advertise: AdvertiseOptions;
  readonly shutdown: { readonly drainDelayMs: number; readonly timeoutMs: number };
  readonly logging: EventLoggerOptions | false;
  readonly metrics: DiscoveryMetricsOptions;
  readonly journal: JournalOptions | false;
  readonly report: boolean;
}
