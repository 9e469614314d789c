import { type NamedStrategies } from '../../balancing/index.js';
import { type Duration } from '../../common/index.js';
import { type CommunicatorDefaults, DEFAULT_COMMUNICATOR_OPTIONS } from '../../communicator/index.js';
import { type CronTimes, type HealthAggregatorOptions, type HealthCheckOptions } from '../../health/index.js';
import { type DiscoveryMetricsOptions, type EventLoggerOptions } from '../../observability/index.js';
import { type ListedService, type ServiceRegistryOptions } from '../../registry/index.js';
import { type ServiceRegistration } from '../../model/index.js';
import {
  type RedisRegistryStoreOptions,
  type RegistryStore,
  type RemoteRegistryStoreOptions,
  type SelfPreservationOptions,
} from '../../store/index.js';
import { type TlsByService } from '../../common/index.js';
import { type Transport, type TransportTlsOptions, type UndiciTransportOptions } from '../../transport/index.js';
import { type DeadlineCheck } from '../deadline/deadline-trust.js';
import { type ApiOptions } from '../rest/api-options.js';
import { type RouteDecorators } from '../route-decorators.js';

/** The kinds of environment that `getServiceDiscoveryConfig` has settings for. */
export type PresetName = (typeof PRESET_NAMES)[number];
export const PRESET_NAMES = ['development', 'testing', 'staging', 'production'] as const;

/**
 * Where registrations live: in this process, in Redis, in Redis with this process working on while Redis is away, or in
 * the process behind `registryUrl`.
 */
export type ServiceDiscoveryMode = (typeof SERVICE_DISCOVERY_MODES)[number];
export const SERVICE_DISCOVERY_MODES = ['memory_only', 'redis_backed', 'hybrid', 'remote'] as const;

/**
 * What sends requests: undici or the app's own `HttpService` of `@nestjs/axios`, with options or without, or a transport of
 * your own. `'axios'` needs `@nestjs/axios` and `axios` installed, and `HttpModule` imported in the app.
 */
export type TransportChoice = (typeof TRANSPORT_NAMES)[number] | TransportOptions | AxiosTransportOptions | Transport;
export const TRANSPORT_NAMES = ['undici', 'axios'] as const;

/** Undici's options, without the time that its connections have to close: that follows from `shutdown.timeout`. */
export interface TransportOptions extends Omit<UndiciTransportOptions, 'closeTimeout'> {
  /** @default 'undici' */
  type?: 'undici';
}

/** What the app's `HttpService` does not say itself. */
export interface AxiosTransportOptions {
  type: 'axios';
  /**
   * How instances are called that registered with the protocol `https`. Where it says something, connections are its own,
   * and the `httpsAgent` of the app's `HttpService` is left out.
   * @default as that `httpsAgent` says
   */
  tls?: TransportTlsOptions;
  /** How much of a response body may be read into memory, in bytes: 128 KiB to 1 GiB. @default 16 MiB */
  maxResponseSize?: number;
}

/** Whether the app's own `HttpService` sends. */
export function isAxios(transport: TransportChoice): transport is 'axios' | AxiosTransportOptions {
  return transport === 'axios' || (typeof transport === 'object' && 'type' in transport && transport.type === 'axios');
}

/** The address that registers, and when. */
export interface AdvertiseOptions {
  /**
   * A host name or IP address that other processes reach this one by.
   * @default the address that the server is bound to; where that is all of them, the first external address, IPv4 before
   *   IPv6, but 127.0.0.1 with a registry on this machine where no token and no `api.guard` lets other machines in
   */
  host?: string;
  /** 1 to 65535. @default the port that the server listens on */
  port?: number;
  /**
   * Whether services register when the server listens and the app is ready (see `ServiceReadiness`), or as soon as it listens.
   * What is registered can be discovered at once, behind instances that a check has found healthy; where there are none,
   * calls go to it.
   * @default 'ready'
   */
  when?: 'ready' | 'listening';
}

/** How the process leaves. */
export interface ShutdownOptions {
  /**
   * How long own instances stay listed as `draining` before they deregister, and the server goes on to serve in any case, so that
   * callers and load balancers hear of it and send nothing new: 0 to 5 min.
   * @default 0 in `memory_only`, where everybody hears of it at once, 300 ms elsewhere
   */
  drainDelay?: Duration;
  /**
   * How long leaving may take after that as a whole: 1 ms to 5 min. Requests in flight may take all of it; then they are
   * cut off. A step that waits for the registry takes 2 s of it at most. Keep both together below the time after which
   * the platform kills the process, 30 s on Kubernetes.
   * @default 20 s
   */
  timeout?: Duration;
}

/**
 * Settings of the module, everything optional. A value given here is stronger than the environment's, which is stronger
 * than the preset's, which is stronger than the default. The calls' settings (`loadBalancing`, `circuitBreaker`,
 * `retry`, `timeout`, `attemptTimeout`, `concurrency`, `pattern`, `patterns`) stand at the top level.
 */
export interface ServiceDiscoveryOptions extends CommunicatorDefaults {
  /**
   * Settings for a kind of environment (`development`, `testing`, `staging`, `production`), which apply where neither an option
   * nor the environment says otherwise.
   * @default none
   */
  preset?: PresetName;
  /**
   * Where registrations live; `SERVICE_DISCOVERY_MODE` in the environment.
   * - `memory_only`: in this process, which needs no other: for one process, tests, and the process that is the registry of others
   * - `redis_backed`: in Redis, shared by any number of processes; while Redis is away reads serve the last snapshot, and
   *   writes fail with `REGISTRY_UNAVAILABLE`
   * - `hybrid`: the same, and while Redis is away writes take effect in this process alone and are reconciled afterwards
   * - `remote`: in the process behind `registryUrl`, over its REST API
   * @default 'remote' where a `registryUrl` is set, 'redis_backed' where `redis` says which, else 'memory_only'; but where one of
   *   the two is there without its URL, as from a variable that is not set, the app does not start
   */
  mode?: ServiceDiscoveryMode;
  /** `SERVICE_DISCOVERY_REGISTRY_URL`: the process whose REST API is the registry, such as `http://registry:3000`. */
  registryUrl?: string;
  /** How the remote registry is talked to: its `path` and `token`, further `headers`, `requestTimeout`. */
  remote?: Omit<RemoteRegistryStoreOptions, 'url'>;
  /**
   * Which Redis holds the registry, and how it is talked to; `SERVICE_DISCOVERY_REDIS_URL` for its `url`.
   * @default `redis://127.0.0.1:6379` where the mode is set to `redis_backed` or `hybrid`
   */
  redis?: Omit<RedisRegistryStoreOptions, 'namespace' | 'selfPreservation'>;
  /**
   * A place of your own for registrations, in the place of a mode; it passes the contract suite of
   * `nest-service-discovery/testing`. Variables that name another place do not count beside it. Closing it is
   * up to you: other apps may use it, too.
   * @default by `mode`
   */
  store?: RegistryStore;
  /** `SERVICE_DISCOVERY_NAMESPACE`: registries in one Redis do not see those of other namespaces. @default 'default' */
  namespace?: string;
  /**
   * `SERVICE_DISCOVERY_SERVICES`, the path of a JSON file with the same list: instances that do not register by themselves. They are
   * checked like all others, and registered for as long as a process that lists them runs; any number may list the same.
   * @default none
   */
  services?: readonly ListedService[];
  /** `SERVICE_DISCOVERY_SERVICE_TTL`: how long a registration lives without a heartbeat. @default '300s' */
  serviceTtl?: ServiceRegistryOptions['serviceTtl'];
  /** How often this process renews the leases of its own instances. @default a third of the lease, at most 30 s */
  heartbeatInterval?: ServiceRegistryOptions['heartbeatInterval'];
  /** How long the app's start waits for the registry's first answer; then it starts without. @default '3s' */
  startTimeout?: ServiceRegistryOptions['startTimeout'];
  /**
   * When expiry is held, since too many instances of a service miss their heartbeats at once; false: never. The same in
   * all processes; in the mode `remote` the process that is the registry goes by its own.
   * @default on
   */
  selfPreservation?: Partial<SelfPreservationOptions> | false;
  /**
   * How long the last good snapshot serves while the registry is away, 1 s to 30 days; then discovery and calls fail
   * with `REGISTRY_UNAVAILABLE`.
   * @default '3d'
   */
  maxSnapshotAge?: ServiceRegistryOptions['maxSnapshotAge'];
  /**
   * Only in the mode `hybrid`: how many instances may have changes that wait for Redis while it is away, 1 to 1,000,000.
   * Further ones are refused with `REGISTRY_UNAVAILABLE`.
   * @default 10000
   */
  maxOfflineWrites?: ServiceRegistryOptions['maxOfflineWrites'];
  /** Which services this process reads: all, or only those that it uses. See {@link ServiceRegistryOptions}. @default 'all' */
  follow?: ServiceRegistryOptions['follow'];
  /** Whether `lastHeartbeat` follows all heartbeats, which many processes make many of. @default true */
  trackHeartbeats?: ServiceRegistryOptions['trackHeartbeats'];
  /**
   * How instances are checked: how often, how long a check may take, and how many results in a row change the status. False:
   * nothing is checked from this process. `SERVICE_DISCOVERY_HEALTH_CHECK_INTERVAL` and `…_TIMEOUT` in the environment.
   * @default on: each instance every 30 s, for 10 s at most
   */
  healthCheck?: Partial<ScheduledHealthCheckOptions> | false;
  /** What the health of all services comes to: which of them are required, and which are optional. */
  health?: Partial<HealthOptions>;
  /** Load balancing strategies of the app's own, by the names that stand for them wherever a strategy is named. @default none */
  strategies?: NamedStrategies;
  /**
   * What sends requests. An object without `send` has options: `connections` (256 to one instance by default),
   * `warmConnections` (1), `connectTimeout` ('5s'), `keepAliveTimeout` ('4s'), `bodyTimeout` ('300s') and `tls`, or with
   * `type: 'axios'`, which needs `@nestjs/axios` and its `HttpModule`, only `tls`. Health checks go by its `tls`, too.
   * @default 'undici', with these defaults
   */
  transport?: TransportChoice;
  /**
   * The REST API under `/service-discovery`, and the health routes: where they are mounted, and who may write. False leaves
   * both out. In `forRootAsync` it stands beside `useFactory`, since controllers are settled before that runs.
   * @default on, for reading; writing calls come from this machine alone until a `token` or a `guard` is set
   */
  api?: Partial<ApiOptions> | false;
  /**
   * Whether calls that are made while a request is answered end by the deadline in its `x-request-deadline`, beside their
   * own timeouts. The clocks of the processes must agree to within a fraction of the timeouts. Where there is a shared
   * token (`api.token`, `remote.token`), only requests from services that hold it, and from this machine, may bring one;
   * without a token every request may. A function says which other requests may, in the place of these defaults.
   * @default true
   */
  inheritDeadline?: boolean | DeadlineCheck;
  /**
   * The address that own services register under, and when they do: for port mappings, and hosts that others know by another name.
   * `SERVICE_DISCOVERY_HOST` and `SERVICE_DISCOVERY_PORT` in the environment.
   * @default the address that the server listens on, once the app is ready
   */
  advertise?: AdvertiseOptions;
  /** How long own instances drain at the end, and how long leaving may take in all. @default 300 ms (0 in `memory_only`), 20 s */
  shutdown?: ShutdownOptions;
  /** How events are logged; false: not at all. @default on */
  logging?: EventLoggerOptions | false;
  /** The prom-client registry that metrics go into, what their names start with, and the buckets of durations. */
  metrics?: DiscoveryMetricsOptions;
}

/** What the health of all services comes to, and the routes that tell of this process. */
export interface HealthOptions extends HealthAggregatorOptions {
  /**
   * Decorators of the app's own for `GET /health`, `/health/live` and `/health/ready`, in place of `api.decorators`: such as the
   * `@Public()` that lets a route pass the app's global guard. Beside `useFactory` in `forRootAsync`, as controllers are static.
   * @default `api.decorators`
   */
  decorators?: RouteDecorators;
}

/** Who is checked how often, and what counts as healthy. */
interface ScheduledHealthCheckOptions extends Omit<HealthCheckOptions, 'cron'> {
  /**
   * A cron expression in place of an `interval`: five fields, or six with seconds before them, in the time zone of the
   * process. All instances are checked at those times, but for new ones, which are within a second, and those whose
   * registration, or entry in `services`, names an interval. Needs `@nestjs/schedule` to be installed. Times of one's own do not.
   * @default none
   */
  cron?: string | CronTimes;
}

/** The options in force: checked, with every default filled in. */
export interface ResolvedServiceDiscoveryOptions {
  readonly preset: PresetName | undefined;
  /** Undefined where `store` says where registrations are. */
  readonly mode: ServiceDiscoveryMode | undefined;
  readonly store: RegistryStore | undefined;
  /** Only in the mode `remote`. */
  readonly remote: RemoteRegistryStoreOptions | undefined;
  /** Only in the modes `redis_backed` and `hybrid`. */
  readonly redis: RedisRegistryStoreOptions | undefined;
  readonly namespace: string;
  readonly registry: Partial<ServiceRegistryOptions>;
  /** One for each target of `services`. */
  readonly services: readonly ServiceRegistration[];
  readonly selfPreservation: Partial<SelfPreservationOptions> | false;
  readonly healthCheck: Partial<HealthCheckOptions>;
  readonly health: Partial<HealthAggregatorOptions>;
  readonly communicator: CommunicatorDefaults;
  readonly strategies: NamedStrategies;
  readonly transport: TransportChoice;
  /** The TLS of calls, with files read. */
  readonly tls: TlsByService;
  readonly api: ApiOptions | false;
  /** The token of the environment, also where `api` is false. */
  readonly token: string | undefined;
  readonly inheritDeadline: boolean | DeadlineCheck;
  readonly advertise: AdvertiseOptions;
  readonly shutdown: { readonly drainDelayMs: number; readonly timeoutMs: number };
  readonly logging: EventLoggerOptions | false;
  readonly metrics: DiscoveryMetricsOptions;
}

/** Where Redis is in a mode that needs one, as its clients have it. */
export const DEFAULT_REDIS_URL = 'redis://127.0.0.1:6379';

/** The defaults that are this folder's own; the others stand beside the options that they belong to. */
export const DEFAULT_SERVICE_DISCOVERY_OPTIONS = {
  mode: 'memory_only',
  namespace: 'default',
  transport: 'undici',
  inheritDeadline: true,
  maxOfflineWrites: 10_000,
  /** In `memory_only` all who read the registry hear of a draining instance at once. */
  shutdown: { drainDelay: '300ms', drainDelayInMemory: 0, timeout: '20s' },
} as const;

/** The options that are passed on to the communicator. */
export const COMMUNICATOR_OPTION_NAMES: readonly (keyof CommunicatorDefaults)[] = [
  ...(Object.keys(DEFAULT_COMMUNICATOR_OPTIONS) as (keyof typeof DEFAULT_COMMUNICATOR_OPTIONS)[]),
  'pattern',
  'patterns',
];
