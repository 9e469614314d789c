import { RegistryUnavailableError, withoutUndefined, type Clock } from '../common/index.js';
import {
  changeInstance,
  keyOf,
  type EventSink,
  type HealthDetail,
  type HealthStatus,
  type InstanceKey,
  type Lease,
  type LeaseKind,
  type OperatorReason,
  type OperatorStatus,
  type RegistrySnapshot,
  type ServiceInstance,
  type StatusDetail,
  type StatusReport,
} from '../model/index.js';
import { isHealthNews, isOperatorStatus } from '../store/index.js';
import { type SnapshotFeed } from './feed/snapshot-feed.js';
import { type KeyedLock } from './rounds.js';
import { type CheckedLeases } from './leases/checked-leases.js';
import { type LeaseKeeper } from './leases/lease-keeper.js';
import { type OfflineWrites } from './offline/offline-writes.js';
import { type RegisteredInstance, type RegisterOptions } from './options.js';
import { type WriteTarget } from './store-writes.js';
import { unknownWhileAway } from './unknown-while-away.js';

/** Why a process that ends drains its own instances. */
export const SHUTDOWN_REASON = 'shutting down';

/** How long a write waits for the snapshot to reflect it. After that it resolves anyway. */
const VISIBILITY_PATIENCE_MS = 1_000;

export interface RegistryWritesDeps {
  readonly clock: Clock;
  readonly events: EventSink;
  readonly feed: SnapshotFeed;
  /** Held for an id while it is registered or recovered. */
  readonly lock: KeyedLock;
  readonly leases: LeaseKeeper;
  readonly checked: CheckedLeases;
  /** `offline`, or the store if that is undefined. */
  readonly target: WriteTarget;
  /** Queues writes while the store is unavailable. If undefined, they are rejected. */
  readonly offline: OfflineWrites | undefined;
  /** The lease length to assume for instances that are not in the snapshot, in milliseconds. */
  readonly serviceTtl: number;
}

/**
 * Writes to the store, or to the offline queue while the store is unavailable. Resolves once the snapshot shows the
 * write.
 */
export class RegistryWrites {
  /** Registered before the first snapshot, whose reset emits no events: `reportEarly` does. */
  private readonly early = new Set<string>();

  constructor(private readonly deps: RegistryWritesDeps) {
    deps.feed.listen({
      changed: (snapshot, previous) => {
        if (snapshot.ready && !previous.ready) this.reportEarly(snapshot);
      },
    });
  }

  /** @param keep whether this process renews the lease */
  register(
    requested: ServiceInstance,
    keep: boolean,
    { claim, mayReplace }: Pick<RegisterOptions, 'claim' | 'mayReplace'> = {},
  ): Promise<RegisteredInstance> {
    const { feed, lock } = this.deps;
    const id = keyOf(requested);
    // `replaced` of a second registration has to see the first.
    return lock.run(id, async () => {
      const current = feed.shown(requested);
      if (current) mayReplace?.(current);
      if (!feed.snapshot.ready) this.early.add(id);
      const lease = await this.deps.target.register(requested, keep, claim).catch((error: unknown) => {
        this.early.delete(id);
        throw error;
      });
      return { instance: await this.shownAs(lease, requested, keep), lease, replaced: current !== undefined };
    });
  }

  async deregister(lease: Lease): Promise<boolean> {
    const removed = await this.deps.target.deregister(lease);
    if (removed) await this.untilShown(lease, (instance) => instance?.generation !== lease.generation);
    return removed;
  }

  renew(leases: readonly Lease[], by: LeaseKind): Promise<readonly boolean[]> {
    return this.deps.target.renew(leases, by);
  }

  async setStatus(key: InstanceKey, status: OperatorStatus | HealthStatus, report?: StatusReport): Promise<boolean> {
    const detail = withSince(status, report, this.deps.feed.shown(key), this.deps.clock.epoch());
    if (detail && this.isUnchanged(key, status, detail)) return true;
    const found = await this.deps.target.setStatus(key, status, detail);
    if (found) {
      await this.untilShown(
        key,
        (instance) =>
          !instance || status === (isOperatorStatus(status) ? instance.operatorStatus : instance.healthStatus),
      );
    }
    return found;
  }

  /** Sets an own instance to `draining`, unless a newer registration holds its id. */
  async drain(lease: Lease): Promise<void> {
    const { feed, clock } = this.deps;
    const shown = feed.shown(lease);
    const isSucceeded = shown !== undefined && shown.generation > lease.generation;
    if (isSucceeded) return;
    await this.deps.target.setStatus(lease, 'draining', { since: clock.epoch(), reason: SHUTDOWN_REASON });
  }

  /** Ends an own lease. @throws RegistryUnavailableError also if the removal was only queued */
  async end(lease: Lease): Promise<void> {
    await this.deregister(lease);
    if (this.deps.offline?.isRemoving(lease))
      throw new RegistryUnavailableError('The registry is unreachable. It drops the instance when its lease runs out');
  }

  /**
   * The lease that a caller refers to.
   * @param generation defaults to that of our own lease, else to the one in the snapshot
   * @throws RegistryUnavailableError if the snapshot cannot tell whether the instance exists
   */
  leaseFor(key: InstanceKey, generation?: number): Lease | undefined {
    const { feed, leases, offline, serviceTtl } = this.deps;
    const { serviceName, instanceId } = key;
    const instance = feed.shown(key);
    const own = offline?.leaseOf(key) ?? leases.leaseOf(key);
    const requested = generation ?? own?.generation ?? instance?.generation;
    if (requested !== undefined) {
      const known = offline?.generationOf(key, requested) ?? requested;
      return { serviceName, instanceId, generation: known, ttlMs: instance?.ttlMs ?? serviceTtl };
    }
    if (feed.snapshot.connected) return undefined;
    throw unknownWhileAway(key);
  }

  /** Resolves when no registration, recovery or reconciliation is running. */
  async idle(): Promise<void> {
    await this.deps.leases.idle();
    await this.deps.offline?.idle();
  }

  /** The instance as the snapshot shows it once it does. */
  private async shownAs(lease: Lease, requested: ServiceInstance, keep: boolean): Promise<ServiceInstance> {
    const { feed, checked, offline } = this.deps;
    await this.untilShown(lease, (instance) => instance !== undefined && instance.generation >= lease.generation);
    const shown = feed.shown(lease);
    // What is shown has had its event.
    if (shown) this.early.delete(keyOf(lease));
    if (shown?.generation === lease.generation) return shown;
    const instance = changeInstance(requested, { generation: lease.generation });
    if (!shown || shown.generation < lease.generation) offline?.unseen(lease);
    if (!keep) checked.unseen(instance);
    return instance;
  }

  private reportEarly({ services }: RegistrySnapshot): void {
    for (const instance of [...services.values()].flat()) {
      if (this.early.has(keyOf(instance))) this.deps.events.emit('instance.registered', { instance, replaced: false });
    }
    this.early.clear();
  }

  private untilShown(key: InstanceKey, holds: (shown: ServiceInstance | undefined) => boolean): Promise<void> {
    const { feed } = this.deps;
    return feed.until(key, () => holds(feed.shown(key)), VISIBILITY_PATIENCE_MS);
  }

  /**
   * Whether a health check found what the snapshot already shows. Nearly all do, and sending them would cost a shared
   * store more than anything else. If another process changed the status in between, the next check corrects it.
   */
  private isUnchanged(key: InstanceKey, status: OperatorStatus | HealthStatus, detail: StatusDetail): boolean {
    const { feed } = this.deps;
    const shown = feed.snapshot.connected ? feed.shown(key) : undefined;
    return shown?.healthStatus === status && !isHealthNews(shown.health, detail as HealthDetail);
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
