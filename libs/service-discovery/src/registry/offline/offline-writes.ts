import { RegistryUnavailableError, type Clock, type Random } from '../../common/index.js';
import {
  keyOf,
  type EventSink,
  type HealthDetail,
  type HealthStatus,
  type InstanceKey,
  type Lease,
  type LeaseKind,
  type OperatorStatus,
  type ServiceInstance,
  type StatusDetail,
} from '../../model/index.js';
import { isHealthNews, isOperatorStatus, type RegistryStore } from '../../store/index.js';
import { type LeaseKeeper } from '../leases/lease-keeper.js';
import { type OfflineQueue } from './offline-queue.js';
import { withStatus } from './offline-write.js';
import { Reconciler } from './reconciler.js';
import { type SnapshotFeed } from '../feed/snapshot-feed.js';

export interface OfflineWritesDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: EventSink;
  readonly store: RegistryStore;
  readonly keeper: LeaseKeeper;
  readonly feed: SnapshotFeed;
  readonly queue: OfflineQueue;
  /** The instance as readers see it. */
  readonly shown: (key: InstanceKey) => ServiceInstance | undefined;
}

/** A write that the store has not taken. */
export interface WriteAttempt {
  /** Whether it was sent without an answer and may have taken effect. */
  readonly inDoubt: boolean;
  /** Monotonic milliseconds. */
  readonly requestedAt: number;
}

/**
 * Lets a process go on while the store is unreachable: its registrations, removals and status updates show at once in
 * its own snapshot, wait in a bounded queue, and are reconciled when the store is back.
 */
export class OfflineWrites {
  private readonly reconciler: Reconciler;
  /** Generations that the store assigned but has not shown, by key. */
  private readonly unshown = new Map<string, number>();
  private isAnnounced = false;
  /** The generations in the store's latest reset, by key, until {@link returned} uses them. */
  private held: ReadonlyMap<string, number> = new Map();
  private closed = false;

  constructor(private readonly deps: OfflineWritesDeps) {
    const { clock, random, store, keeper, feed, queue } = deps;
    this.reconciler = new Reconciler({
      clock,
      random,
      store,
      keeper,
      queue,
      connected: () => feed.isTakingWrites,
      stored: (key) => feed.storedInstance(key),
      changed: (key) => feed.refresh(key),
      done: (outcome) => {
        this.isAnnounced = false;
        const { applied, superseded, gone, expired } = outcome;
        const total = applied + superseded + gone + expired;
        if (total > 0) deps.events.emit('registry.reconciled', { applied, superseded, gone, expired });
      },
    });
  }

  /** How many instances have a write that the store has not taken. */
  get waiting(): number {
    return this.deps.queue.waiting().length;
  }

  /** Whether only this process knows the instance, since the store has not taken its registration. */
  isPending(key: InstanceKey): boolean {
    const write = this.deps.queue.get(key);
    return write?.kind === 'registration' && write.lease === undefined;
  }

  /** Whether a removal is waiting for the store. */
  isRemoving(key: InstanceKey): boolean {
    return this.deps.queue.holds(key) && this.deps.queue.get(key)?.kind === 'removal';
  }

  /** The provisional lease of an instance that this process will renew once the store has taken it. */
  leaseOf(key: InstanceKey): Lease | undefined {
    const write = this.deps.queue.get(key);
    if (write?.kind !== 'registration' || !write.keep || write.lease) return undefined;
    return leaseFrom(write.instance);
  }

  leases(): readonly Lease[] {
    return this.deps.queue.keys().flatMap((key) => this.leaseOf(key) ?? []);
  }

  /** The store's generation for a provisional one. */
  generationOf(key: InstanceKey, generation: number): number {
    return this.deps.queue.generationOf(key, generation);
  }

  /**
   * Writes to the store, or to the queue if the store is unavailable or an earlier write to the instance is waiting.
   */
  async write<T>(key: InstanceKey, online: () => Promise<T>, offline: (attempt: WriteAttempt) => T): Promise<T> {
    const { queue, clock, feed } = this.deps;
    const requestedAt = clock.now();
    if (this.closed) return online();
    if (!feed.isTakingWrites || queue.holds(key)) return offline({ inDoubt: false, requestedAt });
    try {
      return await online();
    } catch (error) {
      if (!(error instanceof RegistryUnavailableError) || this.closed) throw error;
      return offline({ inDoubt: true, requestedAt });
    }
  }

  register(
    requested: ServiceInstance,
    keep: boolean,
    { inDoubt, requestedAt }: WriteAttempt,
  ): { instance: ServiceInstance; lease: Lease } {
    const { queue, keeper, feed, shown } = this.deps;
    const base = Math.max(feed.storedInstance(requested)?.generation ?? 0, this.ownGeneration(requested));
    const mayBeThere = inDoubt || keeper.isInDoubt(requested);
    const { instance } = queue.register(requested, {
      keep,
      inDoubt: mayBeThere,
      requestedAt,
      shown: shown(requested),
      base,
    });
    keeper.forget(requested);
    this.queued(requested);
    return { instance, lease: leaseFrom(instance) };
  }

  /** @returns false if readers see another generation or none */
  deregister(lease: Lease): boolean {
    const { queue, keeper } = this.deps;
    if (!this.isHeld(lease)) return false;
    queue.remove(lease, lease.generation);
    if (keeper.leaseOf(lease)?.generation === lease.generation) keeper.forget(lease);
    this.queued(lease);
    return true;
  }

  /** @returns false if the store last answered that there is no such instance */
  setStatus(key: InstanceKey, status: OperatorStatus | HealthStatus, detail?: StatusDetail): boolean {
    const { queue, keeper, feed, shown } = this.deps;
    const instance = shown(key);
    if (!instance) {
      if (feed.snapshot.connected) return false;
      const { serviceName: service, instanceId } = key;
      const message = 'The registry is unreachable, and this instance is not in the last snapshot';
      throw new RegistryUnavailableError(message, { service, instanceId });
    }
    const isRepeat = !isOperatorStatus(status) && status === instance.healthStatus && !queue.get(key);
    const isOwn = keeper.leaseOf(key)?.generation === instance.generation;
    if (isRepeat || !queue.setStatus(instance, status, detail, isOwn)) {
      this.showHealth(instance, status, detail);
      return true;
    }
    this.queued(key);
    const updated = shown(key);
    // The keeper sets the status again if the store loses its data and the instance is registered again.
    if (isOwn && updated) keeper.follow({ type: 'put', revision: feed.snapshot.revision, instance: updated });
    return true;
  }

  /** @returns false if readers see another generation or none */
  heartbeat(lease: Lease, by: LeaseKind = 'heartbeat'): boolean {
    const { queue, feed } = this.deps;
    if (!this.isHeld(lease)) return false;
    queue.touch(lease, by);
    feed.refresh(lease);
    return true;
  }

  /** {@link heartbeat} for many leases, in one round trip if the store is available. */
  async renewAll(leases: readonly Lease[], by: LeaseKind): Promise<readonly boolean[]> {
    const { store, queue, feed } = this.deps;
    const offline = (): boolean[] => leases.map((lease) => this.heartbeat(lease, by));
    if (!this.closed && !feed.isTakingWrites) return offline();
    const known = leases.map((lease) => ({ ...lease, generation: this.generationOf(lease, lease.generation) }));
    try {
      const held = await store.renew(known, by);
      return leases.map((lease, index) => held[index] === true || (queue.holds(lease) && this.heartbeat(lease, by)));
    } catch (error) {
      if (!(error instanceof RegistryUnavailableError) || this.closed) throw error;
      return offline();
    }
  }

  /** The store was lost before it showed the registration of this lease. */
  unseen(lease: Lease): void {
    this.unshown.set(keyOf(lease), lease.generation);
  }

  /** Takes in what the store holds; the snapshot may also show instances that the store lost. */
  answered(instances: readonly ServiceInstance[]): void {
    if (this.deps.queue.size === 0) return;
    this.held = new Map(instances.map((instance) => [keyOf(instance), instance.generation]));
  }

  /** The store is back, and the snapshot shows its answer. */
  returned(): void {
    const { queue, feed, shown } = this.deps;
    const keys = queue.keys();
    queue.reopen((key) => this.held.get(keyOf(key)));
    this.held = new Map();
    this.unshown.clear();
    for (const key of keys) feed.refresh(key);
    queue.retain((key) => shown(key) !== undefined);
    this.reconciler.run();
  }

  /** The store takes writes again. */
  accepted(): void {
    this.reconciler.run();
  }

  /** An instance is gone. */
  forget(key: InstanceKey): void {
    this.deps.queue.forget(key);
    this.unshown.delete(keyOf(key));
  }

  /** Resolves when no write is being sent to the store. */
  idle(): Promise<void> {
    return this.reconciler.idle();
  }

  close(): void {
    this.closed = true;
    this.reconciler.close();
  }

  /** Whether a lease is that of the instance that readers see, or a newer one of ours that the store has not shown. */
  private isHeld(lease: Lease): boolean {
    const own = this.ownGeneration(lease);
    const instance = this.deps.shown(lease);
    if (!instance) return own === lease.generation;
    const known = this.generationOf(lease, instance.generation);
    if (lease.generation === instance.generation || lease.generation === known) return true;
    return own === lease.generation && own > known;
  }

  /** The latest generation of our own leases, which may be newer than what the store has shown; 0 if none. */
  private ownGeneration(key: InstanceKey): number {
    return Math.max(this.deps.keeper.leaseOf(key)?.generation ?? 0, this.unshown.get(keyOf(key)) ?? 0);
  }

  private queued(key: InstanceKey): void {
    const { events, feed } = this.deps;
    if (!this.isAnnounced) {
      this.isAnnounced = true;
      events.emit('registry.offline', {});
    }
    feed.refresh(key);
    this.reconciler.wake();
  }

  /** Shows a health result without queueing it: the next check repeats it. */
  private showHealth(instance: ServiceInstance, status: OperatorStatus | HealthStatus, detail?: StatusDetail): void {
    if (isOperatorStatus(status)) return;
    const health = detail as HealthDetail | undefined;
    if (status === instance.healthStatus && !isHealthNews(instance.health, health)) return;
    const update = { health: { status, detail: health } };
    this.deps.feed.showLocally(instance, withStatus(instance, update));
  }
}

function leaseFrom({ serviceName, instanceId, generation, ttlMs }: ServiceInstance): Lease {
  return { serviceName, instanceId, generation, ttlMs };
}
