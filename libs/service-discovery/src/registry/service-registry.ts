import {
  invalidRequest,
  Listeners,
  messageOf,
  raceAbort,
  RegistryUnavailableError,
  settlesWithin,
  systemClock,
  systemRandom,
  type Clock,
  type Random,
} from '../common/index.js';
import {
  findInstance,
  findServiceNamesProblems,
  keyOf,
  SERVICE_NAME_PATTERN,
  SILENT,
  toInstance,
  type Change,
  type EventSink,
  type HealthStatus,
  type InstanceKey,
  type Lease,
  type LeaseKind,
  type OperatorStatus,
  type RegistrySnapshot,
  type ServiceInstance,
  type ServiceRegistration,
  type WatchScope,
  type StatusReport,
} from '../model/index.js';
import { WatchHub, type RegistryStore } from '../store/index.js';
import { emitChangeEvents } from './change-events.js';
import { CheckedLeases } from './checked-leases.js';
import { EffectWaiters } from './effect-waiters.js';
import { LeaseKeeper } from './lease-keeper.js';
import {
  resolveServiceRegistryOptions,
  type ResolvedServiceRegistryOptions,
  type ServiceRegistryOptions,
} from './options.js';
import { OfflineQueue } from './offline-queue.js';
import { OfflineWrites } from './offline-writes.js';
import { forEachOwn, type OwnInstancesReport } from './own-instances.js';
import { type GenerationOptions, type RegisteredInstance, type RegisterOptions } from './registration.js';
import { RegistryWrites } from './registry-writes.js';
import { ServedServices } from './served-services.js';
import { resetWithin, SnapshotFeed } from './snapshot-feed.js';
import { type SnapshotListener } from './snapshot-listener.js';

export interface ServiceRegistryDeps {
  /** @default the machine's clock */
  clock?: Clock;
  /** Times the heartbeats alone, so that they can be listed and stopped apart from all else. @default `clock` */
  heartbeatClock?: Clock;
  /** @default the runtime's generator */
  random?: Random;
  /** @default nobody listens */
  events?: EventSink;
  /** Told of what a listener of `onChange` threw. @default nobody: the error is dropped */
  onListenerError?: (error: unknown) => void;
}

/** A service with all instances that are registered under its name. */
export interface RegisteredService {
  readonly serviceName: string;
  /** In order of registration. */
  readonly instances: readonly ServiceInstance[];
}

/** How long a shutdown waits for registrations and recoveries under way. */
const LATECOMER_PATIENCE_MS = 5_000;
const NO_INSTANCES: readonly ServiceInstance[] = [];

/**
 * The registry as this process sees it: reads come from a snapshot that follows the store, writes go to the store and
 * resolve when the snapshot shows them, so that what was just registered can be discovered.
 *
 * Writes reject with `RegistryUnavailableError` while the store cannot be reached; reads go on with the last good
 * snapshot. With `maxOfflineWrites`, writes take effect in this snapshot meanwhile, and in the store when it is back;
 * then only what has no place in the queue, or what cannot be known, rejects.
 *
 * The store belongs to whoever made it: several registries may share one, so `close()` leaves it open. Close it after
 * the last of them; until then it may hold a timer, as for the next lease to expire.
 */
export class ServiceRegistry {
  private readonly options: ResolvedServiceRegistryOptions;
  private readonly clock: Clock;
  private readonly events: EventSink;
  private readonly feed: SnapshotFeed;
  private readonly keeper: LeaseKeeper;
  private readonly checked: CheckedLeases;
  private readonly served: ServedServices;
  private readonly offline: OfflineWrites | undefined;
  private readonly hub = new WatchHub((scope) => resetWithin(this.snapshot, scope));
  private readonly listeners: Listeners<Parameters<SnapshotListener>>;
  private readonly effects = new EffectWaiters();
  private readonly writes: RegistryWrites;
  private readonly own = new Set<string>();
  private closed = false;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(
    private readonly store: RegistryStore,
    options?: Partial<ServiceRegistryOptions>,
    deps: ServiceRegistryDeps = {},
  ) {
    this.options = resolveServiceRegistryOptions(options);
    const { clock = systemClock, random = systemRandom, events = SILENT } = deps;
    this.clock = clock;
    this.events = events;
    this.listeners = new Listeners(deps.onListenerError);
    const { maxOfflineWrites } = this.options;
    const queue = maxOfflineWrites > 0 ? new OfflineQueue(maxOfflineWrites, clock) : undefined;
    this.feed = new SnapshotFeed(store, {
      clock,
      random,
      overlay: queue,
      renewals: this.options.trackHeartbeats,
      follow: this.options.follow,
      isNeeded: (name) => this.hub.asksFor(name),
      listener: {
        received: (change) => {
          this.keeper.follow(change);
          this.checked.follow(change);
          if (change.type === 'reset') this.offline?.answered(change.instances);
        },
        changed: (snapshot, previous, change) => this.changed(snapshot, previous, change),
        lost: (error) => {
          events.emit('registry.unavailable', { reason: messageOf(error), hasSnapshot: this.snapshot.ready });
        },
        regained: (downMs) => events.emit('registry.available', { downMs }),
        writesRefused: (reason) => events.emit('registry.writes_refused', { reason }),
        writesTaken: (refusedMs) => {
          events.emit('registry.writes_accepted', { refusedMs });
          this.keeper.hurry();
          this.checked.hurry();
          this.offline?.accepted();
        },
      },
    });
    this.served = new ServedServices({
      snapshot: () => this.snapshot,
      ageMs: () => this.ageMs(),
      maxAgeMs: this.options.maxSnapshotAgeMs,
      isLocal: (key) => this.offline !== undefined && (this.isPending(key) || this.keeper.leaseOf(key) !== undefined),
    });
    const leaseDeps = {
      clock: deps.heartbeatClock ?? clock,
      random,
      recovered: ({ serviceName, instanceId }: Lease) =>
        events.emit('lease.recovered', { key: { serviceName, instanceId } }),
    };
    const current = (key: InstanceKey): ServiceInstance | undefined => this.feed.storedInstance(key);
    this.keeper = new LeaseKeeper(store, { ...leaseDeps, current }, this.options.heartbeatIntervalMs);
    this.checked = new CheckedLeases({
      ...leaseDeps,
      store,
      renew: (leases) => this.renewAll(leases, 'checks'),
      isTakingWrites: () => this.feed.isTakingWrites,
      isForgotten: (key) => this.feed.isForgotten(key),
    });
    const { effects, feed, keeper } = this;
    const shown = (key: InstanceKey): ServiceInstance | undefined => this.getInstance(key);
    this.offline = queue && new OfflineWrites({ clock, random, events, store, keeper, feed, queue, shown });
    this.writes = new RegistryWrites({
      clock,
      events,
      store,
      keeper,
      effects,
      offline: this.offline,
      serviceTtlMs: this.options.serviceTtlMs,
      snapshot: () => this.snapshot,
      shown,
    });
  }

  /** Begins to follow the store. Resolves at the first snapshot, or after `startTimeout`: then it goes on trying. */
  start(): Promise<void> {
    return this.feed.start(this.options.startTimeoutMs);
  }

  get snapshot(): RegistrySnapshot {
    return this.feed.snapshot;
  }

  /** Milliseconds since the snapshot was last known to be true: 0 while connected. */
  ageMs(): number {
    return this.feed.ageMs();
  }

  /**
   * Calls `listener` after each change, synchronously and in order. What it throws does not reach the others.
   * @returns stops it; safe to call again
   */
  onChange(listener: SnapshotListener): () => void {
    return this.listeners.add(listener);
  }

  /**
   * Registers an instance, or replaces the one under its id.
   * @throws InvalidInstanceError naming every wrong field, before the store is touched
   * @throws LeaseLostError where the id was registered later than `claim`
   * @throws RegistryUnavailableError also after `close()`, since nobody would renew the lease
   */
  async register(registration: ServiceRegistration, options: RegisterOptions = {}): Promise<RegisteredInstance> {
    const defaults = { ttlMs: this.options.serviceTtlMs, now: this.clock.epoch(), lease: options.lease };
    const asked = toInstance(registration, defaults);
    if (this.closed) {
      const { serviceName: service, instanceId } = asked;
      throw new RegistryUnavailableError('The registry is closed', { service, instanceId });
    }
    const keep = options.heartbeat !== 'manual';
    this.feed.follow(asked.serviceName);
    if (keep) this.own.add(keyOf(asked));
    return this.writes.register(asked, keep, options.claim);
  }

  /**
   * Ends a registration.
   * @returns false: it was not there, or another generation holds the id
   * @throws RegistryUnavailableError
   */
  async deregister(key: InstanceKey, options: GenerationOptions = {}): Promise<boolean> {
    if (!this.follows(key.serviceName)) await this.follow(key.serviceName);
    const lease = this.writes.leaseFor(key, options.generation);
    return lease ? this.writes.deregister(lease) : false;
  }

  /**
   * Extends a lease by its length; from then on heartbeats have to keep it.
   * @returns false: it was lost, register again
   * @throws RegistryUnavailableError
   */
  async heartbeat(key: InstanceKey, options: GenerationOptions = {}): Promise<boolean> {
    if (!this.follows(key.serviceName)) await this.follow(key.serviceName);
    const lease = this.writes.leaseFor(key, options.generation);
    return lease ? this.writes.heartbeat(lease) : false;
  }

  /**
   * Extends many leases in one round trip; answers stand at the lease's index.
   * @param by see {@link RegistryStore.renew}
   * @throws RegistryUnavailableError
   */
  async renewAll(leases: readonly Lease[], by: LeaseKind = 'heartbeat'): Promise<readonly boolean[]> {
    if (leases.length === 0) return [];
    if (!this.offline) return this.store.renew(leases, by);
    return this.offline.renewAll(leases, by);
  }

  /**
   * A health check of an instance has passed: where checks keep its lease, that is renewed, together with others within a
   * second. Never throws; what the store does not take is sent again.
   */
  passedCheck(instance: ServiceInstance): void {
    this.checked.passed(instance);
  }

  /**
   * Sets the operator's word or the health of an instance, see {@link RegistryStore.setStatus}.
   * @param report a `HealthDetail` with a health, an `OperatorReason` with an operator's word
   * @returns false: no such instance
   * @throws RegistryUnavailableError
   */
  async setStatus(key: InstanceKey, status: OperatorStatus | HealthStatus, report?: StatusReport): Promise<boolean> {
    if (!this.follows(key.serviceName)) await this.follow(key.serviceName);
    return this.writes.setStatus(key, status, report);
  }

  /** The services that have an instance, with all of their instances, whatever their status. */
  listServices(): readonly RegisteredService[] {
    return [...this.snapshot.services].map(([serviceName, instances]) => ({ serviceName, instances }));
  }

  /** Whether the snapshot tells of a service; else {@link follow} it first. True for all, unless the option says `used`. */
  follows(name: string): boolean {
    const { scope, services } = this.snapshot;
    return !scope || scope.has(name) || services.has(name);
  }

  /**
   * Takes a service into the snapshot, and goes on following it.
   * @throws RegistryUnavailableError where it could not be read within `startTimeout`; the signal's reason
   */
  async follow(name: string, signal?: AbortSignal): Promise<void> {
    if (this.follows(name) || !SERVICE_NAME_PATTERN.test(name)) return;
    this.feed.follow(name);
    const shown = this.writes.untilShown(
      { serviceName: name, instanceId: '' },
      () => this.follows(name),
      this.options.startTimeoutMs,
    );
    await (signal ? raceAbort(shown, signal) : shown);
    if (this.follows(name)) return;
    throw new RegistryUnavailableError(`The registry could not be asked for "${name}", which was not used before`, {
      service: name,
    });
  }

  /** In order of registration; empty for an unknown service. The list keeps its identity until it changes. */
  getInstances(name: string): readonly ServiceInstance[] {
    return this.snapshot.services.get(name) ?? NO_INSTANCES;
  }

  /**
   * The instances that calls may go to, in order of registration. Heartbeats do not change the list: `lastHeartbeat` is that
   * of the last other change of its service, and {@link getInstance} knows the newest.
   * @throws RegistryUnavailableError when the registry has not answered yet, or longer ago than `maxSnapshotAge`
   */
  servedInstances(name: string): readonly ServiceInstance[] {
    return this.served.of(name);
  }

  /** All services with the instances that calls may go to. @throws RegistryUnavailableError as {@link servedInstances} */
  servedServices(): RegistrySnapshot['services'] {
    return this.served.all();
  }

  getInstance(key: InstanceKey): ServiceInstance | undefined {
    return findInstance(this.snapshot, key);
  }

  /**
   * The changes of the snapshot, opening with a reset as soon as there is one. Another reset follows when the store was
   * away, or when the reader fell behind by more than 10,000 changes. Ends when `signal` aborts, the reader leaves its
   * loop or the registry closes.
   * @throws ServiceDiscoveryError `INVALID_REQUEST` naming what is no service name: all share one feed, which it would break
   */
  watch(scope: WatchScope = {}, signal?: AbortSignal): AsyncIterable<Change> {
    const { services, renewals } = scope;
    const problems = services === undefined ? [] : findServiceNamesProblems(services, 'services');
    if (problems.length > 0) throw invalidRequest(problems);
    const changes = this.hub.open({ services: services && [...services], renewals }, signal);
    for (const name of services ?? []) this.feed.follow(name);
    return changes;
  }

  /** Whether this process registered an instance and renewed it, now or earlier. */
  isOwn(key: InstanceKey): boolean {
    return this.own.has(keyOf(key));
  }

  /** Whether an instance is registered with this process alone, since the store is away. */
  isPending(key: InstanceKey): boolean {
    return this.offline?.isPending(key) ?? false;
  }

  /** How many instances have changes that wait for the store, see `maxOfflineWrites`. */
  get offlineWrites(): number {
    return this.offline?.waiting ?? 0;
  }

  /** The leases that this process renews, or will, once the store has taken the registration. */
  ownLeases(): readonly Lease[] {
    return [...this.keeper.leases(), ...(this.offline?.leases() ?? [])];
  }

  /** Sets every own instance to `draining`, so that callers go elsewhere. Takes 5 s at most, never rejects. */
  drainOwn(): Promise<OwnInstancesReport> {
    return forEachOwn(this.clock, this.ownLeases(), (lease) => this.writes.drain(lease));
  }

  /** Ends every own lease, also of what is being registered meanwhile. Takes 15 s at most, never rejects. */
  async deregisterOwn(): Promise<OwnInstancesReport> {
    const first = await this.endOwnLeases();
    // A recovery under way finds that it is not wanted any more, and takes its lease back.
    await settlesWithin(this.clock, LATECOMER_PATIENCE_MS, this.writes.idle());
    const late = await this.endOwnLeases();
    return { done: [...first.done, ...late.done], failed: [...first.failed, ...late.failed] };
  }

  /**
   * Stops following the store and renewing leases, and ends all watches; no timer is left. What is registered stays
   * until it expires, and the store stays open.
   */
  async close(): Promise<void> {
    this.closed = true;
    this.offline?.close();
    this.keeper.stop();
    this.checked.stop();
    this.hub.close();
    await this.feed.close();
  }

  private endOwnLeases(): Promise<OwnInstancesReport> {
    const leases = this.ownLeases();
    for (const lease of leases) this.keeper.forget(lease);
    return forEachOwn(this.clock, leases, (lease) => this.writes.end(lease));
  }

  private changed(snapshot: RegistrySnapshot, previous: RegistrySnapshot, change: Change | null): void {
    this.listeners.call(snapshot, previous, change);
    this.effects.tell(change);
    if (!change) return;
    if (change.type === 'remove') this.offline?.forget(change.key);
    this.hub.publish(change);
    emitChangeEvents(this.events, change, previous, snapshot, this.clock.epoch());
    if (!previous.ready && snapshot.ready) this.writes.reportUnseen();
    if (change.type === 'reset' && !previous.connected) this.offline?.returned();
  }
}
