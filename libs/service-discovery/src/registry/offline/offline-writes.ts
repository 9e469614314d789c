import { RegistryUnavailableError } from '../../common/index.js';
import {
  type Change,
  findInstance,
  type HealthDetail,
  type HealthStatus,
  type InstanceKey,
  keyOf,
  type Lease,
  type LeaseKind,
  type OperatorStatus,
  type RegistrySnapshot,
  type ServiceInstance,
  type StatusDetail,
} from '../../model/index.js';
import { isHealthNews, isOperatorStatus } from '../../store/index.js';
import { type SnapshotOverlay } from '../feed/snapshot-feed.js';
import { type WriteTarget } from '../store-writes.js';
import { unknownWhileAway } from '../unknown-while-away.js';
import { OfflineQueue } from './offline-queue.js';
import { withStatus } from './offline-write.js';
import { type OfflineDeps, Reconciler } from './reconciler.js';

/** A write that the store has not taken. */
interface WriteAttempt {
  /** Whether it was sent without an answer and may have taken effect. */
  readonly inDoubt: boolean;
  /** Monotonic milliseconds. */
  readonly requestedAt: number;
}

/**
 * Lets a process go on while the store is unreachable: its registrations, removals and status updates show at once in
 * its own snapshot, wait in a bounded queue, and are reconciled when the store is back.
 */
export class OfflineWrites implements WriteTarget {
  private readonly queue: OfflineQueue;
  private readonly reconciler: Reconciler;
  /** Generations that the store assigned but has not shown, by key. */
  private readonly unshown = new Map<string, number>();
  private isAnnounced = false;
  /** The generations in the store's latest reset, by key, until {@link returned} uses them. */
  private held: ReadonlyMap<string, number> = new Map();
  private closed = false;

  /** @param limit how many instances may have queued writes */
  constructor(
    limit: number,
    private readonly deps: OfflineDeps,
  ) {
    const { clock, feed } = deps;
    const queue = new OfflineQueue(limit, clock);
    this.queue = queue;
    this.reconciler = new Reconciler(deps, queue, () => (this.isAnnounced = false));
    feed.showThrough(new QueueOverlay(queue));
    feed.listen({
      received: (change) => {
        if (change.type === 'reset') this.answered(change.instances);
      },
      changed: (_snapshot, previous, change) => {
        if (change?.type === 'remove') this.forget(change.key);
        if (change?.type === 'reset' && !previous.connected) this.returned();
      },
      writesTaken: () => this.reconciler.run(),
    });
  }

  /** How many instances have a write that the store has not taken. */
  get waiting(): number {
    return this.queue.waiting().length;
  }

  /** Whether only this process knows the instance, since the store has not taken its registration. */
  isPending(key: InstanceKey): boolean {
    const write = this.queue.get(key);
    return write?.kind === 'registration' && write.lease === undefined;
  }

  /** Whether a removal is waiting for the store. */
  isRemoving(key: InstanceKey): boolean {
    return this.queue.holds(key) && this.queue.get(key)?.kind === 'removal';
  }

  /** The provisional lease of an instance that this process will renew once the store has taken it. */
  leaseOf(key: InstanceKey): Lease | undefined {
    const write = this.queue.get(key);
    if (write?.kind !== 'registration' || !write.keep || write.lease) return undefined;
    return leaseFrom(write.instance);
  }

  leases(): readonly Lease[] {
    return this.queue.keys().flatMap((key) => this.leaseOf(key) ?? []);
  }

  /** The store's generation for a provisional one. */
  generationOf(key: InstanceKey, generation: number): number {
    return this.queue.generationOf(key, generation);
  }

  register(requested: ServiceInstance, keep: boolean, claim?: number): Promise<Lease> {
    return this.write(
      requested,
      () => this.deps.online.register(requested, keep, claim),
      (attempt) => this.queueRegistration(requested, keep, attempt),
    );
  }

  deregister(lease: Lease): Promise<boolean> {
    return this.write(
      lease,
      () => this.deps.online.deregister(lease),
      () => this.queueRemoval(lease),
    );
  }

  setStatus(key: InstanceKey, status: OperatorStatus | HealthStatus, detail?: StatusDetail): Promise<boolean> {
    return this.write(
      key,
      () => this.deps.online.setStatus(key, status, detail),
      () => this.queueStatus(key, status, detail),
    );
  }

  /** Leases of instances with a queued write are held even if the store has lost them, or never had them. */
  async renew(leases: readonly Lease[], by: LeaseKind): Promise<readonly boolean[]> {
    const { online, feed } = this.deps;
    const offline = (): boolean[] => leases.map((lease) => this.touch(lease, by));
    if (!this.closed && !feed.isTakingWrites) return offline();
    const known = leases.map((lease) => ({ ...lease, generation: this.generationOf(lease, lease.generation) }));
    try {
      const held = await online.renew(known, by);
      return leases.map((lease, index) => held[index] === true || (this.queue.holds(lease) && this.touch(lease, by)));
    } catch (error) {
      if (!(error instanceof RegistryUnavailableError) || this.closed) throw error;
      return offline();
    }
  }

  /** The store was lost before it showed the registration of this lease. */
  unseen(lease: Lease): void {
    this.unshown.set(keyOf(lease), lease.generation);
  }

  /** Resolves when no write is being sent to the store. */
  idle(): Promise<void> {
    return this.reconciler.idle();
  }

  close(): void {
    this.closed = true;
    this.reconciler.close();
  }

  /** Writes to the store, or to the queue if the store is unavailable or a write to the instance is waiting. */
  private async write<T>(
    key: InstanceKey,
    online: () => Promise<T>,
    offline: (attempt: WriteAttempt) => T,
  ): Promise<T> {
    const { clock, feed } = this.deps;
    const requestedAt = clock.now();
    if (this.closed) return online();
    if (!feed.isTakingWrites || this.queue.holds(key)) return offline({ inDoubt: false, requestedAt });
    try {
      return await online();
    } catch (error) {
      if (!(error instanceof RegistryUnavailableError) || this.closed) throw error;
      return offline({ inDoubt: true, requestedAt });
    }
  }

  private queueRegistration(requested: ServiceInstance, keep: boolean, { inDoubt, requestedAt }: WriteAttempt): Lease {
    const { leases, feed } = this.deps;
    const base = Math.max(feed.storedInstance(requested)?.generation ?? 0, this.ownGeneration(requested));
    const { instance } = this.queue.register(requested, {
      keep,
      inDoubt: inDoubt || leases.isInDoubt(requested),
      requestedAt,
      shown: feed.shown(requested),
      base,
    });
    leases.forget(requested);
    this.queued(requested);
    return leaseFrom(instance);
  }

  /** @returns false if readers see another generation or none */
  private queueRemoval(lease: Lease): boolean {
    const { leases } = this.deps;
    if (!this.isHeld(lease)) return false;
    this.queue.remove(lease, lease.generation);
    if (leases.leaseOf(lease)?.generation === lease.generation) leases.forget(lease);
    this.queued(lease);
    return true;
  }

  /** @returns false if the store last answered that there is no such instance */
  private queueStatus(key: InstanceKey, status: OperatorStatus | HealthStatus, detail?: StatusDetail): boolean {
    const { leases, feed } = this.deps;
    const instance = feed.shown(key);
    if (!instance) {
      if (feed.snapshot.connected) return false;
      throw unknownWhileAway(key);
    }
    const isRepeat = !isOperatorStatus(status) && status === instance.healthStatus && !this.queue.get(key);
    const isOwn = leases.leaseOf(key)?.generation === instance.generation;
    if (isRepeat || !this.queue.setStatus(instance, status, detail, isOwn)) {
      this.showHealth(instance, status, detail);
      return true;
    }
    this.queued(key);
    const updated = feed.shown(key);
    // The keeper sets the status again if the store loses its data and the instance is registered again.
    if (isOwn && updated) leases.follow({ type: 'put', revision: feed.snapshot.revision, instance: updated });
    return true;
  }

  /** Extends a lease here alone. @returns false if readers see another generation or none */
  private touch(lease: Lease, by: LeaseKind): boolean {
    if (!this.isHeld(lease)) return false;
    this.queue.touch(lease, by);
    this.deps.feed.refresh(lease);
    return true;
  }

  /** Takes in what the store holds; the snapshot may also show instances that the store lost. */
  private answered(instances: readonly ServiceInstance[]): void {
    if (this.queue.size === 0) return;
    this.held = new Map(instances.map((instance) => [keyOf(instance), instance.generation]));
  }

  /** The store is back, and the snapshot shows its answer. */
  private returned(): void {
    const { queue } = this;
    const { feed } = this.deps;
    const keys = queue.keys();
    queue.reopen((key) => this.held.get(keyOf(key)));
    this.held = new Map();
    this.unshown.clear();
    for (const key of keys) feed.refresh(key);
    queue.retain((key) => feed.shown(key) !== undefined);
    this.reconciler.run();
  }

  /** An instance is gone. */
  private forget(key: InstanceKey): void {
    this.queue.forget(key);
    this.unshown.delete(keyOf(key));
  }

  /** Whether a lease is that of the instance that readers see, or a newer one of ours that the store has not shown. */
  private isHeld(lease: Lease): boolean {
    const own = this.ownGeneration(lease);
    const instance = this.deps.feed.shown(lease);
    if (!instance) return own === lease.generation;
    const known = this.generationOf(lease, instance.generation);
    if (lease.generation === instance.generation || lease.generation === known) return true;
    return own === lease.generation && own > known;
  }

  /** The latest generation of our own leases, which may be newer than what the store has shown; 0 if none. */
  private ownGeneration(key: InstanceKey): number {
    return Math.max(this.deps.leases.leaseOf(key)?.generation ?? 0, this.unshown.get(keyOf(key)) ?? 0);
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

/** Shows the queued writes to readers, in place of what the store shows of their instances. */
export class QueueOverlay implements SnapshotOverlay {
  constructor(private readonly queue: Pick<OfflineQueue, 'size' | 'keys' | 'show'>) {}

  get size(): number {
    return this.queue.size;
  }

  show(key: InstanceKey, stored: ServiceInstance | undefined): ServiceInstance | undefined {
    return this.queue.show(key, stored);
  }

  over(change: Change, stored: RegistrySnapshot, shown: RegistrySnapshot): Change | null {
    if (this.size === 0 || change.type === 'hold' || change.type === 'split') return change;
    if (change.type === 'renewed') return this.overRenewal(change);
    if (change.type === 'reset') return { ...change, instances: this.overAll(change.instances) };
    const { serviceName, instanceId } = change.type === 'put' ? change.instance : change.key;
    const key = { serviceName, instanceId };
    const instance = this.show(key, findInstance(stored, key));
    if (instance === findInstance(shown, key)) return null;
    const { revision } = change;
    if (instance) return { type: 'put', revision, instance };
    return change.type === 'remove' ? change : { type: 'remove', revision, key, reason: 'deregistered' };
  }

  /** Removes covered instances from a heartbeat change, which carries them as the store has them. */
  private overRenewal(change: Extract<Change, { type: 'renewed' }>): Change {
    const covered = new Set(this.queue.keys().map(keyOf));
    return { ...change, instances: change.instances?.filter((instance) => !covered.has(keyOf(instance))) };
  }

  private overAll(stored: readonly ServiceInstance[]): ServiceInstance[] {
    const rest = new Map(this.queue.keys().map((key) => [keyOf(key), key]));
    const instances: ServiceInstance[] = [];
    for (const instance of stored) {
      const shown = rest.delete(keyOf(instance)) ? this.show(instance, instance) : instance;
      if (shown) instances.push(shown);
    }
    for (const key of rest.values()) {
      const shown = this.show(key, undefined);
      if (shown) instances.push(shown);
    }
    return instances;
  }
}
