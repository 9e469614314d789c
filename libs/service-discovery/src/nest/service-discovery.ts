import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import {
  type Clock,
  NoAvailableInstanceError,
  type Outcome,
  type Random,
  ServiceDiscoveryError,
} from '../common/index.js';
import {
  CRITERIA_NAMES,
  describeUnavailable,
  mergeLoadBalancing,
  type PickContext,
  LOAD_BALANCING_OPTIONS,
  selectEligible,
  type SelectionCriteria,
  tagsOf,
  type UnavailableReason,
  versionShareOf,
  WHY_UNAVAILABLE,
} from '../balancing/index.js';
import {
  Balancers,
  type CommunicationPattern,
  COMMUNICATOR_OPTIONS,
  type FedBalancer,
  ServiceCommunicator,
} from '../communicator/index.js';
import { type AggregatedHealth, HealthAggregator } from '../health/index.js';
import {
  baseUrlOf,
  type InstanceStatus,
  type ServiceInstance,
  type ServiceName,
  type ServiceRegistration,
  type Tier,
} from '../model/index.js';
import { ServiceRegistry } from '../registry/index.js';
import { checkDiscovery, type DiscoveryCriteria, NO_CRITERIA } from './discovery-criteria.js';
import { ServiceDiscoveryExplorer } from './explorer.js';
import { LeaseChoice } from './lease-choice.js';
import { type ResolvedServiceDiscoveryOptions } from './options/index.js';
import { ServiceReadiness } from './readiness/index.js';
import { RegistryPlace } from './registry-place.js';
import { CLOCK, RANDOM, OPTIONS_IN_FORCE } from './tokens.js';
import { type ServiceWaitDeps, type WaitForServiceOptions, waitForServices } from './waiting/index.js';

/** Where to call a service. */
export interface ServiceEndpoint {
  readonly serviceName: string;
  /** Protocol, host, port and path prefix, without a slash at its end: `http://10.0.0.7:8080/api`. */
  readonly baseUrl: string;
  /** `healthy`, or `unknown` if the instance has not been checked yet. */
  readonly status: InstanceStatus;
  /** Its `lastHeartbeat` may be an earlier one: see `ServiceRegistry.servedInstances`. */
  readonly instance: ServiceInstance;
}

/** Balancers of one service. */
interface KnownService {
  readonly balancers: Balancers;
  /** With the module's options. */
  readonly usual: FedBalancer;
}

/** Registers and finds services. To call them, inject `ServiceCommunicator`: it also retries and cuts off. */
@Injectable()
export class ServiceDiscovery implements BeforeApplicationShutdown {
  private readonly known = new Map<string, KnownService>();
  private endsBySignal = false;

  constructor(
    /** What the registry knows and takes: lists, single instances, leases, changes. */
    @Inject(ServiceRegistry) readonly registry: ServiceRegistry,
    @Inject(ServiceCommunicator) private readonly communicator: ServiceCommunicator,
    @Inject(HealthAggregator) private readonly aggregator: HealthAggregator,
    @Inject(ServiceDiscoveryExplorer) private readonly explorer: ServiceDiscoveryExplorer,
    @Inject(OPTIONS_IN_FORCE) private readonly options: ResolvedServiceDiscoveryOptions,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(RANDOM) private readonly random: Random,
    @Inject(ServiceReadiness) private readonly readiness: ServiceReadiness,
    @Inject(LeaseChoice) private readonly leases: LeaseChoice,
    @Inject(RegistryPlace) private readonly place: RegistryPlace,
  ) {}

  /** @internal Nest calls it, before the registry is closed. */
  beforeApplicationShutdown(signal?: string): void {
    this.endsBySignal = signal !== undefined;
  }

  /**
   * Registers an instance, or replaces the one with its id; this process renews it, and removes it at shutdown. Without
   * a `ttl`, passing health checks renew it as well: if this process is killed, it stays while it passes.
   * @throws InvalidInstanceError naming every wrong field; RegistryUnavailableError
   */
  async registerService(registration: ServiceRegistration): Promise<ServiceInstance> {
    const { instance } = await this.registry.register(registration, { lease: this.leases.choose(registration) });
    return instance;
  }

  /**
   * Ends a registration.
   * @param instanceId absent: every instance of the service that this process registered
   * @returns false if there was none
   * @throws RegistryUnavailableError
   */
  async deregisterService(serviceName: string, instanceId?: string): Promise<boolean> {
    const keys =
      instanceId === undefined
        ? this.registry.ownLeases().filter((lease) => lease.serviceName === serviceName)
        : [{ serviceName, instanceId }];
    const ended = await Promise.all(keys.map((key) => this.registry.deregister(key)));
    return ended.includes(true);
  }

  /**
   * Picks an instance with the strategy: healthy ones first, unchecked ones if there are none.
   * @returns null: no such service is registered
   * @throws NoAvailableInstanceError if the service is known, but none of its instances matches or can take a call;
   * RegistryUnavailableError if the registry has not answered yet, or longer ago than `maxSnapshotAge`;
   * ServiceDiscoveryError `INVALID_REQUEST` for an invalid service name, invalid criteria or version range;
   * `INVALID_CONFIGURATION` for an unknown strategy
   */
  async discoverService(
    serviceName: ServiceName,
    criteria: DiscoveryCriteria = NO_CRITERIA,
  ): Promise<ServiceEndpoint | null> {
    checkDiscovery(serviceName, criteria);
    if (!this.registry.follows(serviceName)) await this.registry.follow(serviceName);
    const instances = this.registry.servedInstances(serviceName);
    if (instances.length === 0) {
      this.known.delete(serviceName);
      return null;
    }
    const picked = this.pick(serviceName, instances, criteria);
    if (typeof picked === 'string') {
      throw new NoAvailableInstanceError(serviceName, describeUnavailable(picked, instances, criteria));
    }
    return endpointOf(picked);
  }

  /**
   * Resolves with an endpoint once the service has an instance that a health check found healthy, for example before an
   * app starts its work. Event-driven; makes no requests.
   *
   * Wait in the background, or after `listen()`, for a service that may itself wait for this app: an app registers when
   * it listens, so two that wait for each other in `onModuleInit` never start. Once a signal ends the process, the wait
   * never settles, since an error in a startup hook would exit the process before its shutdown hooks are done.
   * `app.close()` without a signal rejects it.
   * @throws ServiceNotReadyError at the timeout, with the state of the service; the signal's reason;
   * RegistryUnavailableError if the app closes during the wait; InvalidConfigurationError naming every wrong name and
   * option
   */
  async waitForService(serviceName: ServiceName, options: WaitForServiceOptions = {}): Promise<ServiceEndpoint> {
    const [endpoint] = await this.waitForServices([serviceName], options);
    return endpoint!;
  }

  /**
   * The same for several services, until all are available at the same time; one error reports all that are missing.
   * @returns an endpoint for each name, in their order
   */
  async waitForServices(
    serviceNames: readonly ServiceName[],
    options: WaitForServiceOptions = {},
  ): Promise<readonly ServiceEndpoint[]> {
    const { registry, clock } = this;
    const choose: ServiceWaitDeps['choose'] = (name, instances, criteria) => {
      const picked = this.pick(name, instances, criteria);
      return typeof picked === 'string' ? WHY_UNAVAILABLE[picked] : picked;
    };
    const hint = (): string => {
      const isUnknown = serviceNames.some((name) => registry.getInstances(name).length === 0);
      return [isUnknown ? this.place.notFoundHint() : '', this.mutualWaitHint()].filter(Boolean).join('. ');
    };
    const isAbandoned = (): boolean => this.endsBySignal;
    const deps = { registry, clock, choose, isAbandoned, hint };
    return (await waitForServices(deps, serviceNames, options)).map(endpointOf);
  }

  /**
   * All matching instances that may be called, in order of registration: healthy ones, and unchecked ones while fewer
   * than half are healthy. Empty for an unknown service. Their `lastHeartbeat` may be outdated, as in an endpoint.
   * @throws RegistryUnavailableError if the registry has not answered yet, or longer ago than `maxSnapshotAge`;
   * ServiceDiscoveryError `INVALID_REQUEST` for an invalid service name, invalid criteria or version range
   */
  async discoverInstances(
    serviceName: ServiceName,
    criteria: SelectionCriteria = NO_CRITERIA,
  ): Promise<readonly ServiceInstance[]> {
    checkDiscovery(serviceName, criteria, CRITERIA_NAMES);
    if (!this.registry.follows(serviceName)) await this.registry.follow(serviceName);
    const instances = this.registry.servedInstances(serviceName);
    const result = selectEligible(instances, { ...criteria, tags: tagsOf(criteria) }, STRICT_OPTIONS);
    return result.kind === 'eligible' ? result.instances : [];
  }

  /** The health of all services, from the registry's last known state. */
  async getAggregatedHealth(): Promise<AggregatedHealth> {
    return this.aggregator.getAggregatedHealth();
  }

  /** The patterns in effect, by name: one per tier, and those of the options. */
  getCommunicationPatterns(): Readonly<Record<Tier, CommunicationPattern>> {
    return this.communicator.getCommunicationPatterns();
  }

  /** A deadlock between two apps that wait for each other before they listen is hard to recognize from either side. */
  private mutualWaitHint(): string {
    const registered = new Set(this.registry.ownLeases().map(({ serviceName }) => serviceName));
    const names = this.explorer.discoverables().map(({ name }) => name);
    const waiting = names.filter((name) => !registered.has(name)).map((name) => `"${name}"`);
    if (waiting.length === 0) return '';
    const own = `This app's own ${waiting.join(', ')} registers when the app`;
    const { holdReasons } = this.readiness;
    if (holdReasons.length > 0) return `${own} is held back no more (${holdReasons.join(', ')})`;
    return (
      `${own} listens and is ready: what waits for that in turn never starts. Wait in the background, or after ` +
      'listen(), where that may be'
    );
  }

  private pick(
    serviceName: string,
    instances: readonly ServiceInstance[],
    criteria: DiscoveryCriteria & Pick<PickContext, 'exclude'>,
  ): ServiceInstance | UnavailableReason {
    const { usual, balancers } = this.known.get(serviceName) ?? this.know(serviceName);
    const balancer = criteria.strategy === undefined ? usual : balancers.of(criteria.strategy);
    const unreachable = this.unreachableIds(serviceName);
    const share = versionShareOf(this.registry.splitOf(serviceName));
    const picked = balancer.upToDate(instances, share).pick({ ...criteria, tags: tagsOf(criteria), unreachable });
    if (picked.kind === 'unavailable') return picked.reason;
    // It is unknown whether and when it will be called, so it counts as no load.
    picked.done(NOT_CALLED);
    return picked.instance;
  }

  /** A test may have replaced the communicator with a stand-in that has only the methods that the app calls. */
  private unreachableIds(serviceName: string): ReadonlySet<string> | undefined {
    const { communicator } = this;
    return communicator instanceof ServiceCommunicator ? communicator.unreachableIds(serviceName) : undefined;
  }

  /** Drops services that are gone, whenever a new one is added, since they may never be requested again. */
  private forgetWhatIsGone(): void {
    const { services } = this.registry.snapshot;
    for (const name of this.known.keys()) if (!services.has(name)) this.known.delete(name);
  }

  private know(serviceName: string): KnownService {
    this.forgetWhatIsGone();
    const { communicator, strategies } = this.options;
    const { loadBalancing = COMMUNICATOR_OPTIONS.defaults.loadBalancing } = communicator;
    const strict = mergeLoadBalancing(loadBalancing, STRICT);
    const balancers = new Balancers({ clock: this.clock, random: this.random, strategies }, strict);
    const usual = balancers.of(STRICT);
    const known = { balancers, usual };
    this.known.set(serviceName, known);
    return known;
  }
}

/** A looked-up endpoint may be kept for long, so no endpoint is better than an unhealthy one. */
const STRICT = { failOpen: false };
const STRICT_OPTIONS = LOAD_BALANCING_OPTIONS.resolve(STRICT);

/** The outcome of a request that was never sent, for load metrics. */
const NOT_CALLED: Outcome = {
  kind: 'error',
  error: new ServiceDiscoveryError('INVALID_REQUEST', 'The instance was looked up, not called'),
  neverSent: true,
  latencyMs: 0,
};

function endpointOf(instance: ServiceInstance): ServiceEndpoint {
  const { serviceName, status } = instance;
  return { serviceName, baseUrl: baseUrlOf(instance), status, instance };
}
