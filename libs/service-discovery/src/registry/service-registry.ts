import {
  invalidRequest,
  Listeners,
  raceAbort,
  RegistryUnavailableError,
  ServiceDiscoveryError,
  settlesWithin,
  systemClock,
  systemRandom,
  type Clock,
  type Random,
} from '../common/index.js';
import {
  findServiceNamesProblems,
  isShare,
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
  type Rollout,
  rolloutShare,
  serviceKeyOf,
  type ServiceInstance,
  type ServiceRegistration,
  type ServiceSplit,
  type WatchScope,
  type StatusReport,
} from '../model/index.js';
import { WatchHub, type RegistryStore } from '../store/index.js';
import { emitChangeEvents } from './change-events.js';
import { ServedServices } from './feed/served-services.js';
import { resetWithin, SnapshotFeed } from './feed/snapshot-feed.js';
import { KeyedLock } from './rounds.js';
import { CheckedLeases } from './leases/checked-leases.js';
import { LeaseKeeper } from './leases/lease-keeper.js';
import { OfflineWrites } from './offline/offline-writes.js';
import {
  type GenerationOptions,
  type RegisteredInstance,
  type RegisterOptions,
  type ResolvedServiceRegistryOptions,
  SERVICE_REGISTRY_OPTIONS,
  type ServiceRegistryOptions,
} from './options.js';
import { forEachOwn, type OwnInstancesReport } from './own-instances.js';
import { RegistryWrites } from './registry-writes.js';
import { readRollout, type RolloutOptions } from './rollout-options.js';
import { SplitWrites } from './split-writes.js';
import { StoreWrites } from './store-writes.js';

export interface ServiceRegistryDeps {
  /** @default the system clock */
  clock?: Clock;
  /** The clock of the heartbeat timers, so that they can be listed and stopped separately. @default `clock` */
  heartbeatClock?: Clock;
  /** @default the system's random generator */
  random?: Random;
  /** @default none: events are dropped */
  events?: EventSink;
  /** Called with the errors that listeners of `onChange` throw. @default none: they are dropped */
  onListenerError?: (error: unknown) => void;
}

/** A service with all instances registered under its name. */
export interface RegisteredService {
  readonly serviceName: string;
  /** In order of registration. */
  readonly instances: readonly ServiceInstance[];
}

/** Is called with each new snapshot. @param change null if only the connection state changed */
export type SnapshotListener = (snapshot: RegistrySnapshot, previous: RegistrySnapshot, change: Change | null) => void;

/** How long a shutdown waits for registrations and recoveries that are still running, in milliseconds. */
const LATECOMER_PATIENCE_MS = 5_000;
const NO_INSTANCES: readonly ServiceInstance[] = [];

/**
 * The registry as this process sees it. Reads come from a snapshot that follows the store. Writes go to the store and
 * resolve once the snapshot shows them, so an instance can be discovered as soon as `register` resolves.
 *
 * While the store is unreachable, reads use the last snapshot and writes reject with `RegistryUnavailableError`. With
 * `maxOfflineWrites`, writes take effect in the snapshot at once and in the store when it is back; they then reject
 * only if the queue is full or the instance is unknown.
 *
 * Several registries may share a store, so `close()` leaves it open. Close the store after the last registry; until
 * then it may hold timers, such as that of the next lease to expire.
 */
export class ServiceRegistry {
  private readonly options: ResolvedServiceRegistryOptions;
  private readonly clock: Clock;
  private readonly events: EventSink;
  private readonly feed: SnapshotFeed;
  private readonly leases: LeaseKeeper;
  private readonly checked: CheckedLeases;
  private readonly served: ServedServices;
  private readonly offline: OfflineWrites | undefined;
  private readonly hub = new WatchHub((scope) => resetWithin(this.snapshot, scope));
  private readonly listeners: Listeners<Parameters<SnapshotListener>>;
  private readonly writes: RegistryWrites;
  private readonly splits: SplitWrites;
  private readonly own = new Set<string>();
  private closed = false;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(store: RegistryStore, options?: Partial<ServiceRegistryOptions>, deps: ServiceRegistryDeps = {}) {
    this.options = SERVICE_REGISTRY_OPTIONS.resolve(options);
    const { clock = systemClock, random = systemRandom, events = SILENT } = deps;
    this.clock = clock;
    this.events = events;
    this.listeners = new Listeners(deps.onListenerError);
    const { trackHeartbeats, follow, heartbeatInterval, maxOfflineWrites, maxSnapshotAge, serviceTtl } = this.options;
    const isNeeded = (name: string): boolean => this.hub.asksFor(name);
    const feed = new SnapshotFeed(store, { clock, random, events, renewals: trackHeartbeats, follow, isNeeded });
    this.feed = feed;
    this.splits = new SplitWrites(store, feed);
    feed.listen({
      received: (change) => {
        this.leases.follow(change);
        this.checked.follow(change);
        this.splits.restore(change);
      },
      changed: (snapshot, previous, change) => this.changed(snapshot, previous, change),
      writesTaken: () => {
        this.leases.renewNow();
        this.checked.sendNow();
      },
    });
    this.served = new ServedServices(
      feed,
      maxSnapshotAge,
      (key) => this.offline !== undefined && (this.isPending(key) || this.leases.leaseOf(key) !== undefined),
    );
    const lock = new KeyedLock();
    const leaseDeps = {
      clock: deps.heartbeatClock ?? clock,
      random,
      recovered: ({ serviceName, instanceId }: Lease) =>
        events.emit('lease.recovered', { key: { serviceName, instanceId } }),
    };
    const leases = new LeaseKeeper(store, { ...leaseDeps, feed, lock }, heartbeatInterval);
    const online = new StoreWrites(store, leases);
    const offline =
      maxOfflineWrites > 0
        ? new OfflineWrites(maxOfflineWrites, { clock, random, events, store, feed, lock, leases, online })
        : undefined;
    const target = offline ?? online;
    const checked = new CheckedLeases({ ...leaseDeps, store, feed, target });
    this.leases = leases;
    this.offline = offline;
    this.checked = checked;
    this.writes = new RegistryWrites({ clock, events, feed, lock, leases, checked, target, offline, serviceTtl });
  }

  /** Starts to follow the store. Resolves at the first snapshot, or after `startTimeout` while it goes on trying. */
  start(): Promise<void> {
    return this.feed.start(this.options.startTimeout);
  }

  get snapshot(): RegistrySnapshot {
    return this.feed.snapshot;
  }

  /** Why the last attempt to read the store failed: a sentence without its full stop; undefined if the store has answered since. */
  get lastFailure(): string | undefined {
    return this.feed.lastFailure;
  }

  /** Milliseconds since the snapshot was last confirmed by the store: 0 while connected. */
  ageMs(): number {
    return this.feed.ageMs();
  }

  /**
   * Calls `listener` after each change, synchronously and in order. An error that it throws does not affect the others.
   * @returns removes the listener; safe to call again
   */
  onChange(listener: SnapshotListener): () => void {
    return this.listeners.add(listener);
  }

  /**
   * Registers an instance, or replaces the one under its id.
   * @throws InvalidInstanceError naming every wrong field, before anything is sent to the store
   * @throws LeaseLostError if the id was registered later than `claim`
   * @throws RegistryUnavailableError also after `close()`, since the lease would not be renewed
   */
  async register(registration: ServiceRegistration, options: RegisterOptions = {}): Promise<RegisteredInstance> {
    const { lease, owner } = options;
    const defaults = { ttlMs: this.options.serviceTtl, now: this.clock.epoch(), lease, owner };
    const requested = toInstance(registration, defaults);
    if (this.closed) {
      const { serviceName: service, instanceId } = requested;
      throw new RegistryUnavailableError(
        `The registry is closed, so "${service}" is not registered. Register nothing after the app shuts down`,
        { service, instanceId },
      );
    }
    const keep = options.heartbeat !== 'manual';
    this.feed.follow(requested.serviceName);
    if (keep) this.own.add(keyOf(requested));
    return this.writes.register(requested, keep, options);
  }

  /**
   * Ends a registration.
   * @returns false if it does not exist, or another generation holds the id
   * @throws RegistryUnavailableError
   */
  async deregister(key: InstanceKey, options: GenerationOptions = {}): Promise<boolean> {
    if (!this.follows(key.serviceName)) await this.follow(key.serviceName);
    const lease = this.writes.leaseFor(key, options.generation);
    return lease ? this.writes.deregister(lease) : false;
  }

  /**
   * Extends a lease by its length. From then on the lease has to be kept by heartbeats.
   * @returns false if the lease is lost: register again
   * @throws RegistryUnavailableError
   */
  async heartbeat(key: InstanceKey, options: GenerationOptions = {}): Promise<boolean> {
    if (!this.follows(key.serviceName)) await this.follow(key.serviceName);
    const lease = this.writes.leaseFor(key, options.generation);
    return lease !== undefined && (await this.renewAll([lease]))[0] === true;
  }

  /**
   * Extends many leases in one round trip.
   * @param by see {@link RegistryStore.renew}
   * @returns whether each lease is held, in the order of `leases`
   * @throws RegistryUnavailableError
   */
  async renewAll(leases: readonly Lease[], by: LeaseKind = 'heartbeat'): Promise<readonly boolean[]> {
    return leases.length === 0 ? [] : this.writes.renew(leases, by);
  }

  /**
   * Call it when an instance passes a health check: renews its lease if checks keep it, batched with others within a
   * second. Never throws; failed renewals are retried.
   */
  passedCheck(instance: ServiceInstance): void {
    this.checked.passed(instance);
  }

  /**
   * Sets the operator status or the health of an instance, see {@link RegistryStore.setStatus}.
   * @param report a `HealthDetail` with a health, an `OperatorReason` with an operator status
   * @returns false if there is no such instance
   * @throws RegistryUnavailableError
   */
  async setStatus(key: InstanceKey, status: OperatorStatus | HealthStatus, report?: StatusReport): Promise<boolean> {
    if (!this.follows(key.serviceName)) await this.follow(key.serviceName);
    return this.writes.setStatus(key, status, report);
  }

  /** How the calls to a service are split; undefined if they never were. */
  splitOf(name: string): ServiceSplit | undefined {
    return this.snapshot.splits.get(name);
  }

  /**
   * Changes how the calls to a service are split, for all callers. Resolves once the snapshot shows it.
   * @param make the new split, made of the one in force; called again if another process changed that in between
   * @throws RegistryUnavailableError; what `make` throws
   */
  async changeSplit(name: string, make: (known: ServiceSplit | undefined) => ServiceSplit): Promise<ServiceSplit> {
    if (!this.follows(name)) await this.follow(name);
    return this.splits.change(name, make);
  }

  /**
   * Sets the share of the calls to a service that goes through its gateway, for all callers.
   * @param share per cent: 0 to 100
   * @throws ServiceDiscoveryError `INVALID_REQUEST` for another share, or where no gateway is known; RegistryUnavailableError
   */
  async setShare(name: string, share: number): Promise<void> {
    if (!isShare(share)) throw invalidRequest([{ path: 'share', value: share, expected: 'a number from 0 to 100' }]);
    await this.changeSplit(name, (known) => {
      if (known?.via) return { ...known, via: { ...known.via, share } };
      throw new ServiceDiscoveryError(
        'INVALID_REQUEST',
        `"${name}" has no gateway that a share of the calls could go through. ` +
          `Give the option services: [{ name: '${name}', via: 'http://…' }], with the address of the gateway, to one process`,
        { service: name },
      );
    });
  }

  /**
   * Begins to move the calls to a service to a new version, for all callers. A process that holds the registry goes on with it step by
   * step, and moves it back where the new version does badly.
   * @throws ServiceDiscoveryError `INVALID_REQUEST` naming every wrong option, or where another rollout is running;
   *   RegistryUnavailableError
   */
  async startRollout(name: string, options: RolloutOptions): Promise<Rollout> {
    const { stepDuration: stepMs, maxP99: maxP99Ms, ...plan } = readRollout(options);
    const { clock, events } = this;
    const since = clock.epoch();
    const latency = maxP99Ms === undefined ? {} : { maxP99Ms };
    const rollout: Rollout = { ...plan, stepMs, ...latency, state: 'running', step: 0, since, beat: 0 };
    await this.changeSplit(name, (known) => {
      const present = known?.rollout;
      if (present?.state === 'running') {
        const message = `The rollout of "${name}" to ${present.version} is still running. Abort it before you start another`;
        throw new ServiceDiscoveryError('INVALID_REQUEST', message, { service: name });
      }
      return { ...known, rollout };
    });
    events.emit('rollout.moved', {
      service: name,
      version: rollout.version,
      state: 'running',
      share: rolloutShare(rollout),
    });
    return rollout;
  }

  /**
   * Sends all calls to a service back to the other versions. A rollout that is over already is forgotten: versions do not matter
   * any more then.
   * @throws ServiceDiscoveryError `INVALID_REQUEST` where there is no rollout; RegistryUnavailableError
   */
  async endRollout(name: string, reason?: string): Promise<void> {
    let aborted: Rollout | undefined;
    await this.changeSplit(name, (known) => {
      const { rollout, ...others } = known ?? {};
      if (!rollout) {
        const message = `"${name}" has no rollout to end: all of its versions take calls alike`;
        throw new ServiceDiscoveryError('INVALID_REQUEST', message, { service: name });
      }
      if (rollout.state !== 'running') return others;
      const why = reason === undefined ? {} : { reason };
      aborted = { ...rollout, state: 'aborted', since: this.clock.epoch(), beat: rollout.beat + 1, ...why };
      return { ...others, rollout: aborted };
    });
    if (!aborted) return;
    const { version, state } = aborted;
    this.events.emit('rollout.moved', { service: name, version, state, share: 0, reason });
  }

  /**
   * Sets a split as another process made it, see {@link RegistryStore.setSplit}.
   * @throws RegistryUnavailableError
   */
  setSplit(name: string, split: ServiceSplit, replaces: ServiceSplit | undefined): Promise<boolean> {
    return this.splits.set(name, split, replaces);
  }

  /** The services that have at least one instance, with all of their instances in any status. */
  listServices(): readonly RegisteredService[] {
    return [...this.snapshot.services].map(([serviceName, instances]) => ({ serviceName, instances }));
  }

  /**
   * Whether the snapshot covers a service; if not, call {@link follow} first. Always true unless `follow` is `used`.
   */
  follows(name: string): boolean {
    const { scope, services } = this.snapshot;
    return !scope || scope.has(name) || services.has(name);
  }

  /**
   * Adds a service to the snapshot and follows it from then on.
   * @throws RegistryUnavailableError if it could not be read within `startTimeout`; the signal's reason if that aborts
   */
  async follow(name: string, signal?: AbortSignal): Promise<void> {
    if (this.follows(name) || !SERVICE_NAME_PATTERN.test(name)) return;
    this.feed.follow(name);
    const shown = this.feed.until(serviceKeyOf(name), () => this.follows(name), this.options.startTimeout);
    await (signal ? raceAbort(shown, signal) : shown);
    if (this.follows(name)) return;
    throw new RegistryUnavailableError(
      `The registry has not told the instances of "${name}" within startTimeout. Try again`,
      {
        service: name,
      },
    );
  }

  /** In order of registration; empty for an unknown service. The list keeps its identity until it changes. */
  getInstances(name: string): readonly ServiceInstance[] {
    return this.snapshot.services.get(name) ?? NO_INSTANCES;
  }

  /**
   * The instances that calls may use, in order of registration. Heartbeats do not change the list: `lastHeartbeat` in
   * it may be old, {@link getInstance} returns the latest.
   * @throws RegistryUnavailableError if the registry has not answered yet, or not within `maxSnapshotAge`
   */
  servedInstances(name: string): readonly ServiceInstance[] {
    return this.served.of(name);
  }

  /** All services with the instances that calls may use. @throws RegistryUnavailableError as {@link servedInstances} */
  servedServices(): RegistrySnapshot['services'] {
    return this.served.all();
  }

  getInstance(key: InstanceKey): ServiceInstance | undefined {
    return this.feed.shown(key);
  }

  /**
   * The changes of the snapshot, starting with a reset once there is a snapshot. Another reset follows after an outage
   * of the store, or if the reader falls behind by more than 10,000 changes. Ends when `signal` aborts, the reader
   * leaves its loop or the registry closes.
   * @throws ServiceDiscoveryError `INVALID_REQUEST` naming invalid service names, which would break the shared watch
   */
  watch(scope: WatchScope = {}, signal?: AbortSignal): AsyncIterable<Change> {
    const { services, renewals } = scope;
    const problems = services === undefined ? [] : findServiceNamesProblems(services, 'services');
    if (problems.length > 0) throw invalidRequest(problems);
    const changes = this.hub.open({ services: services && [...services], renewals }, signal);
    for (const name of services ?? []) this.feed.follow(name);
    return changes;
  }

  /** Whether this process has ever registered the instance with automatic heartbeats. */
  isOwn(key: InstanceKey): boolean {
    return this.own.has(keyOf(key));
  }

  /** Whether only this process knows the instance, since the store is unavailable. */
  isPending(key: InstanceKey): boolean {
    return this.offline?.isPending(key) ?? false;
  }

  /**
   * The generation that stands for one which was given while the store was unavailable; any other one stands for itself.
   */
  generationOf(key: InstanceKey, generation: number): number {
    return this.offline?.generationOf(key, generation) ?? generation;
  }

  /** How many instances have writes waiting for the store, see `maxOfflineWrites`. */
  get offlineWrites(): number {
    return this.offline?.waiting ?? 0;
  }

  /** The leases that this process renews, or will renew once the store has taken the registration. */
  ownLeases(): readonly Lease[] {
    return [...this.leases.leases(), ...(this.offline?.leases() ?? [])];
  }

  /** Sets every own instance to `draining`, so that callers use others. Takes at most 5 s, never rejects. */
  drainOwn(): Promise<OwnInstancesReport> {
    return forEachOwn(this.clock, this.ownLeases(), (lease) => this.writes.drain(lease));
  }

  /** Ends every own lease, also of registrations still running. Takes at most 15 s, never rejects. */
  async deregisterOwn(): Promise<OwnInstancesReport> {
    const first = await this.endOwnLeases();
    // A recovery still running finds that its lease was forgotten and removes the new one.
    await settlesWithin(this.clock, LATECOMER_PATIENCE_MS, this.writes.idle());
    const late = await this.endOwnLeases();
    return { done: [...first.done, ...late.done], failed: [...first.failed, ...late.failed] };
  }

  /**
   * Stops following the store and renewing leases, and ends all watches; no timer is left. Registered instances stay
   * until they expire, and the store stays open.
   */
  async close(): Promise<void> {
    this.closed = true;
    this.offline?.close();
    this.leases.stop();
    this.checked.stop();
    this.hub.close();
    await this.feed.close();
  }

  private endOwnLeases(): Promise<OwnInstancesReport> {
    const leases = this.ownLeases();
    for (const lease of leases) this.leases.forget(lease);
    return forEachOwn(this.clock, leases, (lease) => this.writes.end(lease));
  }

  private changed(snapshot: RegistrySnapshot, previous: RegistrySnapshot, change: Change | null): void {
    this.listeners.call(snapshot, previous, change);
    if (!change) return;
    this.hub.publish(change);
    emitChangeEvents(this.events, change, previous, snapshot, this.clock.epoch());
  }
}
