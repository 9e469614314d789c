import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost, ModuleRef, ModulesContainer } from '@nestjs/core';
import { type Subscription } from 'rxjs';
import { type Clock, type Random, settlesWithin, type TlsMaterial } from '../../common/index.js';
import { ServiceCommunicator } from '../../communicator/index.js';
import { type CheckPlanner, HealthMonitor, planChecks, resolveHealthCheckOptions } from '../../health/index.js';
import { isHttp } from '../../model/index.js';
import {
  CallFigures,
  DiscoveryMetrics,
  EventBus,
  EventLogger,
  Fleet,
  Journal,
  SplitFigures,
} from '../../observability/index.js';
import {
  ListedGateways,
  ListedInstances,
  RolloutDriver,
  SERVICE_REGISTRY_OPTIONS,
  ServiceRegistry,
} from '../../registry/index.js';
import { type RegistryStore } from '../../store/index.js';
import { type Transport } from '../../transport/index.js';
import { findHttpService } from '../axios-transport/index.js';
import { type DiscoverableServiceOptions, toRegistration } from '../decorators/index.js';
import { pathInApp } from '../declared-routes.js';
import { ServiceDiscoveryExplorer } from '../explorer.js';
import { LOG_CONTEXT, nestLoggerPort } from '../logging.js';
import { makesCalls } from '../makes-calls.js';
import { isAxios, type ResolvedServiceDiscoveryOptions } from '../options/index.js';
import { findSchedulerRegistry, ListedTimers } from '../schedule/index.js';
import { ServiceReadiness } from '../readiness/index.js';
import { findHealthCheckPath, ownerOfRoute } from '../terminus/index.js';
import { CLOCK, RANDOM, REGISTRY_STORE, OPTIONS_IN_FORCE, TRANSPORT } from '../tokens.js';
import { Registrar } from './registrar.js';
import { ShutdownStart } from './shutdown-start.module.js';
import { warnOfEarlierFilter } from './filter-order.js';
import { ForgottenHooks } from './forgotten-hooks.js';
import { HttpDrain } from './http-drain.js';
import { GracefulShutdown, STEP_MS } from './graceful-shutdown.js';
import { LoopbackWarnings } from './loopback-warnings.js';
import { Microservices } from './microservices.js';
import { OwnApi } from './own-api.js';
import { OwnHealth } from './own-health.js';
import { OwnRoute } from './own-route.js';
import { logNoRegistry, logStart } from './start-line.js';
import { refuseUnprotectedApi } from './unprotected-api.js';
import { type AdvertisedAddress, addressToAdvertise, type ListeningServer, localAddress } from './server-address.js';

/**
 * Ties the library to the lifecycle of the app.
 *
 * The module is global, so its hooks run before all others at startup and after them at shutdown. Only
 * {@link ShutdownStart} runs first: callers are diverted and requests in flight finish while everything still works.
 * Dependencies of calls stay open until `onApplicationShutdown`.
 */
@Injectable()
export class ServiceDiscoveryLifecycle
  implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  private readonly logger = new Logger(LOG_CONTEXT);
  private readonly registrar: Registrar;
  private readonly ownHealth: OwnHealth;
  private readonly ownRoute: OwnRoute;
  private readonly ownApi: OwnApi;
  private readonly forgottenHooks: ForgottenHooks;
  private readonly loopbackWarnings: LoopbackWarnings;
  private discoverables: readonly DiscoverableServiceOptions[] = [];
  private listening: Subscription | undefined;
  private stopWarning: (() => void) | undefined;
  private readonly microservices: Microservices;
  private drain: HttpDrain | undefined;
  /** Undefined until shutdown begins. */
  private shutdown: GracefulShutdown | undefined;

  constructor(
    @Inject(OPTIONS_IN_FORCE) private readonly options: ResolvedServiceDiscoveryOptions,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(RANDOM) random: Random,
    @Inject(REGISTRY_STORE) private readonly store: RegistryStore,
    @Inject(ServiceRegistry) private readonly registry: ServiceRegistry,
    @Inject(ListedInstances) private readonly listed: ListedInstances,
    @Inject(ListedGateways) private readonly gateways: ListedGateways,
    @Inject(SplitFigures) private readonly splits: SplitFigures,
    @Inject(RolloutDriver) private readonly rollouts: RolloutDriver | null,
    @Inject(TRANSPORT) private readonly transport: Transport,
    @Inject(ServiceCommunicator) private readonly communicator: ServiceCommunicator,
    @Inject(HealthMonitor) private readonly monitor: HealthMonitor | null,
    @Inject(DiscoveryMetrics) private readonly metrics: DiscoveryMetrics,
    @Inject(Journal) private readonly journal: Journal,
    @Inject(CallFigures) private readonly figures: CallFigures,
    @Inject(Fleet) private readonly fleet: Fleet,
    @Inject(EventLogger) private readonly eventLogger: EventLogger | null,
    @Inject(ServiceDiscoveryExplorer) private readonly explorer: ServiceDiscoveryExplorer,
    @Inject(EventBus) private readonly events: EventBus,
    @Inject(ServiceReadiness) private readonly readiness: ServiceReadiness,
    @Inject(ListedTimers) private readonly timers: ListedTimers,
    @Inject(ModulesContainer) private readonly modules: ModulesContainer,
    @Inject(ModuleRef) private readonly moduleRef: ModuleRef,
    @Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost,
    @Inject(ApplicationConfig) private readonly appConfig: ApplicationConfig,
    @Inject(ShutdownStart) shutdownStart: ShutdownStart,
  ) {
    shutdownStart.run(() => this.beginShutdown());
    this.microservices = new Microservices(modules);
    this.ownHealth = new OwnHealth({
      registry,
      readiness,
      onRecovered: (listener) => events.on('lease.recovered', ({ key }) => listener(key)),
      clock,
    });
    const question = {
      clock,
      logger: this.logger,
      planner: ownPlanner(options),
      guards: () => globalGuardsOf(appConfig),
      ownerOf: (path: string) => ownerOfRoute(modules, appConfig, path),
    };
    this.ownRoute = new OwnRoute({ ...question, readiness });
    this.ownApi = new OwnApi({ ...question, options, pathInApp: (path) => pathInApp(appConfig, path) });
    this.forgottenHooks = new ForgottenHooks({ clock, logger: this.logger });
    this.loopbackWarnings = new LoopbackWarnings(options, registry, this.logger);
    this.registrar = new Registrar({
      registry,
      clock,
      random,
      logger: this.logger,
      readiness: options.advertise.when === 'listening' ? undefined : readiness,
      registered: (key) => {
        this.ownHealth.add(key);
        this.forgottenHooks.registered(key);
      },
    });
  }

  /** @throws InvalidConfigurationError for problems that only show in the complete app */
  async onModuleInit(): Promise<void> {
    this.discoverables = this.explorer.discoverables();
    // Calls look it up again; a missing one must stop the start.
    if (isAxios(this.options.transport)) await findHttpService(this.modules);
    this.explorer.wire();
    const scheduler = await findSchedulerRegistry(this.moduleRef, this.modules);
    if (scheduler) this.timers.listIn(scheduler);
    this.monitor?.start();
    this.stopWarning = this.events.on('instance.registered', ({ instance }) =>
      this.loopbackWarnings.registered(instance),
    );
    await this.startRegistry();
  }

  onApplicationBootstrap(): void {
    // Only Node's adapters: an application context or microservice has no HTTP server.
    const server = this.server();
    const guards = server ? globalGuardsOf(this.appConfig) : [];
    // Whether guards let API requests pass is only known once the server listens.
    if (guards.length === 0) this.tellStart(server !== undefined);
    if (!server) {
      this.prepareCalls();
      if (this.microservices.isEmpty) this.announceAll(this.discoverables);
      else this.announceAtMicroservices(this.discoverables);
      return;
    }
    warnOfEarlierFilter(this.appConfig, this.logger);
    refuseUnprotectedApi(this.adapterHost.httpAdapter, this.options);
    this.drain = new HttpDrain(server);
    this.announceAtMicroservices(this.discoverables.filter((one) => this.isOfMicroservice(one)));
    const announce = (): void => {
      this.prepareCalls();
      void this.askOwnApi(server, guards);
      this.announceAll(
        this.discoverables.filter((one) => !this.isOfMicroservice(one)),
        server,
      );
    };
    if (this.adapterHost.listening) announce();
    else this.listening = this.adapterHost.listen$.subscribe(announce);
  }

  /** The server closes next. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.shutdown?.beforeClose();
  }

  async onApplicationShutdown(): Promise<void> {
    const { shutdown } = this;
    if (!shutdown) return;
    shutdown.closed();
    this.timers.close();
    this.stopWarning?.();
    await shutdown.step(() => this.fleet.close());
    await shutdown.step(() => this.monitor?.close());
    await shutdown.step(() => this.communicator.close());
    // Handlers may have called listed services until here.
    await shutdown.step(() => this.listed.close());
    await shutdown.step(() => this.gateways.close());
    await shutdown.step(() => this.rollouts?.close());
    await shutdown.step(() => this.registry.close());
    // A store that was passed in may serve other apps, too.
    if (this.options.store === undefined) await shutdown.step(() => this.store.close());
    await shutdown.step(() => this.metrics.close());
    await shutdown.step(() => this.figures.close());
    await shutdown.step(() => this.splits.close());
    await shutdown.step(() => this.journal.close());
    await shutdown.step(() => this.eventLogger?.close());
  }

  private async beginShutdown(): Promise<void> {
    const { registry, drain, clock, logger } = this;
    const fallSilent = (): Promise<unknown> => Promise.all([this.ownHealth.close(), this.registrar.stop()]);
    this.shutdown = new GracefulShutdown(this.options.shutdown, { registry, fallSilent, drain, clock, logger });
    await this.shutdown.step(() => this.readiness.close());
    this.listening?.unsubscribe();
    this.ownApi.close();
    this.microservices.close();
    this.forgottenHooks.close();
    await this.shutdown.drain();
  }

  /** Takes at most `startTimeout`; the rest continues in the background. */
  private async startRegistry(): Promise<void> {
    const { clock, registry, options } = this;
    const { startTimeout: startTimeoutMs } = SERVICE_REGISTRY_OPTIONS.resolve(options.registry);
    const startedAt = clock.now();
    await registry.start();
    this.rollouts?.start();
    if (!registry.snapshot.ready && startTimeoutMs > 0 && options.logging !== false) {
      logNoRegistry(nestLoggerPort(), options, startTimeoutMs, registry.lastFailure);
    }
    // Handlers may call listed services from the beginning.
    const leftMs = Math.max(0, startTimeoutMs - (clock.now() - startedAt));
    await settlesWithin(clock, Math.min(STEP_MS, leftMs), Promise.all([this.listed.start(), this.gateways.start()]));
  }

  /** Only now: the start need not wait for it. */
  private prepareCalls(): void {
    if (makesCalls(this.modules)) this.transport.prepare?.();
  }

  private server(): ListeningServer | undefined {
    const adapter = this.adapterHost.httpAdapter as { getHttpServer(): unknown } | undefined;
    const server = adapter?.getHttpServer() as Partial<ListeningServer> | null | undefined;
    return typeof server?.address === 'function' ? (server as ListeningServer) : undefined;
  }

  private async askOwnApi(server: ListeningServer, guards: readonly string[]): Promise<void> {
    const address = localAddress(server);
    const isRefused = address !== undefined && (await this.ownApi.isRefused(address));
    if (guards.length > 0 && !this.ownApi.isClosed) this.tellStart(true, isRefused ? guards : []);
  }

  /** @param guards the app's global guards that deny requests to the API */
  private tellStart(listens: boolean, guards: readonly string[] = []): void {
    const { logging } = this.options;
    if (logging === false) return;
    const registers = this.discoverables.map(({ name }) => name);
    const prefix = listens ? this.appConfig.getGlobalPrefix() : undefined;
    logStart(nestLoggerPort(logging.fields), this.options, { registers, prefix, guards });
  }

  /** Whether it registers where a microservice of the app listens, rather than the HTTP server. */
  private isOfMicroservice({ protocol, port }: DiscoverableServiceOptions): boolean {
    return protocol !== undefined && port === undefined && this.microservices.speaks(protocol);
  }

  /**
   * Registers each when the first microservice with its protocol listens; without one, the registration itself decides.
   */
  private announceAtMicroservices(discoverables: readonly DiscoverableServiceOptions[]): void {
    const waiting = new Set(discoverables);
    const { host, port } = this.options.advertise;
    // An advertised port is that of the HTTP server, not of a microservice next to it.
    const place = { ...this.options, advertise: { host, port: this.drain ? undefined : port } };
    this.microservices.listening$.subscribe(({ protocols, server }) => {
      const address = server && addressToAdvertise(server, place);
      for (const options of waiting) {
        const protocol = options.protocol ?? protocols[0];
        if (protocol && this.microservices.speaks(protocol) && !protocols.includes(protocol)) continue;
        waiting.delete(options);
        this.announce(options, address && protocol && { ...address, protocol });
      }
    });
  }

  /** @param server undefined: no HTTP server */
  private announceAll(discoverables: readonly DiscoverableServiceOptions[], server?: ListeningServer): void {
    const address = server && addressToAdvertise(server, this.options);
    for (const options of discoverables) this.announce(options, address, server && localAddress(server));
  }

  /** @param local where this process reaches its own server */
  private announce(
    options: DiscoverableServiceOptions,
    address: AdvertisedAddress | undefined,
    local?: AdvertisedAddress,
  ): void {
    const host = options.host ?? address?.host ?? this.options.advertise.host;
    const port = options.port ?? address?.port ?? this.options.advertise.port;
    if (host === undefined || port === undefined) {
      const missing = [host === undefined && 'host', port === undefined && 'port'].filter(Boolean).join(' and ');
      this.logger.warn(`${options.name} is not registered: no server listens at a TCP port, so it needs ${missing}`);
      return;
    }
    const protocol = options.protocol ?? address?.protocol ?? 'http';
    // A server with another protocol on its own port has no routes; on the app's port, as for WebSockets, it has.
    const hasRoutes =
      address !== undefined && isHttp(address.protocol) && (isHttp(protocol) || options.port === undefined);
    if (options.host === undefined && this.options.advertise.host === undefined)
      this.loopbackWarnings.announced(options.name, host);
    const { healthCheckPath = hasRoutes ? this.healthCheckPath() : null } = options;
    const registration = toRegistration({ ...options, healthCheckPath }, { host, port, protocol });
    const isOwnServer = options.port === undefined && local !== undefined;
    const question = isOwnServer && {
      registration,
      address: local,
      mayChoose: options.healthCheckPath === undefined,
    };
    this.registrar.register(registration, question ? (signal) => this.ownRoute.examine(question, signal) : undefined);
  }

  private healthCheckPath(): string | null {
    return findHealthCheckPath(this.modules, this.appConfig, this.options.api);
  }
}

/**
 * Checks like a process with these options, except for the certificate, which is not valid for the loopback address.
 */
function ownPlanner({ healthCheck, tls: callTls }: ResolvedServiceDiscoveryOptions): CheckPlanner {
  const options = resolveHealthCheckOptions(healthCheck, 'healthCheck', callTls);
  const unverified = (material: TlsMaterial): TlsMaterial => {
    const { identity: _, ...others } = material;
    return { ...others, rejectUnauthorized: false };
  };
  const { all, services } = options.tls;
  const ofServices = [...services].map(([name, material]) => [name, unverified(material)] as const);
  const planner = planChecks({ ...options, tls: { all: unverified(all), services: new Map(ofServices) } });
  // It is asked at the start alone, so it needs no certificates that are rotated later.
  planner.close?.();
  return planner;
}

function globalGuardsOf(config: ApplicationConfig): string[] {
  const ofRequests = config.getGlobalRequestGuards().flatMap(({ metatype }) => (metatype ? [metatype.name] : []));
  return [...config.getGlobalGuards().map(({ constructor }) => constructor.name), ...ofRequests];
}
