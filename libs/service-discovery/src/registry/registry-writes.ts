import { RegistryUnavailableError, settlesWithin, withoutUndefined, type Clock } from '../common/index.js';
import {
  changeInstance,
  keyOf,
  type EventSink,
  type HealthDetail,
  type HealthStatus,
  type InstanceKey,
  type Lease,
  type OperatorReason,
  type OperatorStatus,
  type RegistrySnapshot,
  type ServiceInstance,
  type StatusDetail,
  type StatusReport,
} from '../model/index.js';
import { isHealthNews, isOperatorStatus, type RegistryStore } from '../store/index.js';
import { type SnapshotWaiters } from './feed/snapshot-waiters.js';
import { KeyedLock } from './keyed-lock.js';
import { type LeaseKeeper } from './leases/lease-keeper.js';
import { type OfflineWrites, type WriteAttempt } from './offline/offline-writes.js';
import { type RegisteredInstance } from './registration.js';

/** How long a write waits for the snapshot to reflect it. After that it resolves anyway. */
const VISIBILITY_PATIENCE_MS = 1_000;

export interface RegistryWritesDeps {
  readonly clock: Clock;
  readonly events: EventSink;
  readonly store: RegistryStore;
  readonly keeper: LeaseKeeper;
  readonly waiters: SnapshotWaiters;
  /** Queues writes while the store is unavailable. If undefined, they are rejected. */
  readonly offline: OfflineWrites | undefined;
  /** The lease length to assume for instances that are not in the snapshot. */
  readonly serviceTtlMs: number;
  snapshot(): RegistrySnapshot;
  /** The instance as readers see it. */
  shown(key: InstanceKey): ServiceInstance | undefined;
}

/**
 * Writes to the store, or to the offline queue while the store is unavailable. Resolves once the snapshot shows the
 * write.
 */
export class RegistryWrites {
  private readonly registering = new KeyedLock();
  /** Registered before the first snapshot. That snapshot emits no events, so `reportUnseen` emits them. */
  private readonly unseen = new Set<string>();

  constructor(private readonly deps: RegistryWritesDeps) {}

  /** @param keep whether this process renews the lease */
  register(requested: ServiceInstance, keep: boolean, claim?: number): Promise<RegisteredInstance> {
    // Registrations of one id run one at a time: `replaced` of the second has to see the first.
    return this.registering.run(keyOf(requested), () => {
      const replaced = this.deps.shown(requested) !== undefined;
      return this.write(
        requested,
        () => this.put(requested, keep, replaced, claim),
        (offline, attempt) => ({ ...offline.register(requested, keep, attempt), replaced }),
      );
    });
  }

  deregister(lease: Lease): Promise<boolean> {
    const { keeper } = this.deps;
    const isOwn = this.ownLeaseOf(lease)?.generation === lease.generation;
    return this.write(
      lease,
      () => {
        if (isOwn) keeper.forget(lease);
        return this.remove(lease);
      },
      (offline) => offline.deregister(lease),
    );
  }

  heartbeat(lease: Lease): Promise<boolean> {
    return this.write(
      lease,
      async () => (await this.deps.store.renew([lease]))[0] ?? false,
      (offline) => offline.heartbeat(lease),
    );
  }

  setStatus(key: InstanceKey, status: OperatorStatus | HealthStatus, report?: StatusReport): Promise<boolean> {
    const detail = withSince(status, report, this.deps.shown(key), this.deps.clock.epoch());
    return this.write(
      key,
      () => this.applyStatus(key, status, detail),
      (offline) => offline.setStatus(key, status, detail),
    );
  }

  /** Sets an own instance to `draining`, unless a newer registration holds its id. */
  async drain(lease: Lease): Promise<void> {
    const shown = this.deps.shown(lease);
    const isSucceeded = shown !== undefined && shown.generation > lease.generation;
    if (isSucceeded) return;
    const note = { since: this.deps.clock.epoch(), reason: 'shutting down' };
    await this.write(
      lease,
      () => this.deps.store.setStatus(lease, 'draining', note),
      (offline) => offline.setStatus(lease, 'draining', note),
    );
  }

  /** Ends an own lease. @throws RegistryUnavailableError also if the removal was only queued */
  async end(lease: Lease): Promise<void> {
    await this.write(
      lease,
      () => this.remove(lease),
      (offline) => offline.deregister(lease),
    );
    if (this.deps.offline?.isRemoving(lease)) throw new RegistryUnavailableError('The registry is unreachable');
  }

  /**
   * The lease that a caller refers to.
   * @param generation defaults to that of our own lease, else to the one in the snapshot
   * @throws RegistryUnavailableError if the snapshot cannot tell whether the instance exists
   */
  leaseFor(key: InstanceKey, generation = this.ownLeaseOf(key)?.generation): Lease | undefined {
    const { offline, serviceTtlMs } = this.deps;
    const instance = this.deps.shown(key);
    const requested = generation ?? instance?.generation;
    if (requested !== undefined) {
      const known = offline?.generationOf(key, requested) ?? requested;
      return { ...keyFrom(key), generation: known, ttlMs: instance?.ttlMs ?? serviceTtlMs };
    }
    if (this.deps.snapshot().connected) return undefined;
    throw new RegistryUnavailableError('The registry is unreachable, and this instance is not in the last snapshot', {
      service: key.serviceName,
      instanceId: key.instanceId,
    });
  }

  /** Resolves when the snapshot shows the effect, after `patienceMs`, or at once while disconnected from the store. */
  async untilShown(key: InstanceKey, holds: () => boolean, patienceMs = VISIBILITY_PATIENCE_MS): Promise<void> {
    const isOver = (): boolean => holds() || !this.deps.snapshot().connected;
    if (isOver()) return;
    let stop: () => void = () => undefined;
    const shown = new Promise<void>((resolve) => {
      stop = this.deps.waiters.add(key, () => {
        if (isOver()) resolve();
      });
    });
    await settlesWithin(this.deps.clock, patienceMs, shown);
    stop();
  }

  /** Called at the first snapshot: emits the events of what was registered before it. */
  reportUnseen(): void {
    for (const instance of [...this.deps.snapshot().services.values()].flat()) {
      if (this.unseen.has(keyOf(instance))) this.deps.events.emit('instance.registered', { instance, replaced: false });
    }
    this.unseen.clear();
  }

  /** Resolves when no registration, recovery or reconciliation is running. */
  async idle(): Promise<void> {
    await this.registering.idle();
    await this.deps.keeper.idle();
    await this.deps.offline?.idle();
  }

  private write<T>(
    key: InstanceKey,
    online: () => Promise<T>,
    offline: (writes: OfflineWrites, attempt: WriteAttempt) => T,
  ): Promise<T> {
    const writes = this.deps.offline;
    return writes ? writes.write(key, online, (attempt) => offline(writes, attempt)) : online();
  }

  private async put(
    requested: ServiceInstance,
    keep: boolean,
    replaced: boolean,
    claim?: number,
  ): Promise<RegisteredInstance> {
    if (!this.deps.snapshot().ready) this.unseen.add(keyOf(requested));
    const lease = await this.deps.keeper.register(requested, keep, claim).catch((error: unknown) => {
      this.unseen.delete(keyOf(requested));
      throw error;
    });
    const shown = (): ServiceInstance | undefined => {
      const instance = this.deps.shown(lease);
      return instance && instance.generation >= lease.generation ? instance : undefined;
    };
    await this.untilShown(lease, () => shown() !== undefined);
    const seen = shown();
    if (!seen) this.deps.offline?.unseen(lease);
    const instance =
      seen?.generation === lease.generation ? seen : changeInstance(requested, { generation: lease.generation });
    return { instance, lease, replaced };
  }

  private async remove(lease: Lease): Promise<boolean> {
    const removed = await this.deps.store.remove(lease);
    if (removed) await this.untilShown(lease, () => this.deps.shown(lease)?.generation !== lease.generation);
    return removed;
  }

  private async applyStatus(
    key: InstanceKey,
    status: OperatorStatus | HealthStatus,
    detail?: StatusDetail,
  ): Promise<boolean> {
    if (detail && this.isUnchanged(key, status, detail)) return true;
    const found = await this.deps.store.setStatus(key, status, detail);
    if (found) {
      await this.untilShown(key, () => {
        const instance = this.deps.shown(key);
        return !instance || status === (isOperatorStatus(status) ? instance.operatorStatus : instance.healthStatus);
      });
    }
    return found;
  }

  /**
   * Whether a health check found what the snapshot already shows. Nearly all do, and sending them would cost a shared
   * store more than anything else. If another process changed the status in between, the next check corrects it.
   */
  private isUnchanged(key: InstanceKey, status: OperatorStatus | HealthStatus, detail: StatusDetail): boolean {
    const shown = this.deps.snapshot().connected ? this.deps.shown(key) : undefined;
    return shown?.healthStatus === status && !isHealthNews(shown.health, detail as HealthDetail);
  }

  private ownLeaseOf(key: InstanceKey): Lease | undefined {
    return this.deps.offline?.leaseOf(key) ?? this.deps.keeper.leaseOf(key);
  }
}

/** Adds when the status began: `since` of the current status if it stays the same. */
function withSince(
  status: OperatorStatus | HealthStatus,
  report: StatusReport | undefined,
  shown: ServiceInstance | undefined,
  now: number,
): StatusDetail | undefined {
  if (isOperatorStatus(status)) {
    if (status === 'up') return undefined;
    const known = shown?.operatorStatus === status ? shown.operatorNote : undefined;
    const since = known?.since ?? now;
    const { reason, by } = (report ?? {}) as OperatorReason;
    // Repeating a status without a reason keeps the reason given before; a new reason or author replaces both.
    const detail = reason === undefined && by === undefined ? known : withoutUndefined({ reason, by });
    return { ...detail, since };
  }
  const health = report as HealthDetail | undefined;
  const since = shown?.healthStatus === status ? shown.health?.since : health?.checkedAt;
  return health && since !== undefined ? { ...health, since } : health;
}

function keyFrom({ serviceName, instanceId }: InstanceKey): InstanceKey {
  return { serviceName, instanceId };
}
