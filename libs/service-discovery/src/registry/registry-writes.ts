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
import { type EffectWaiters } from './effect-waiters.js';
import { KeyedLock } from './keyed-lock.js';
import { type LeaseKeeper } from './lease-keeper.js';
import { type OfflineWrites, type WriteAttempt } from './offline-writes.js';
import { type RegisteredInstance } from './registration.js';

/** How long a change waits to be seen in the own snapshot before it is taken as done all the same. */
const VISIBILITY_PATIENCE_MS = 1_000;

export interface RegistryWritesDeps {
  readonly clock: Clock;
  readonly events: EventSink;
  readonly store: RegistryStore;
  readonly keeper: LeaseKeeper;
  readonly effects: EffectWaiters;
  /** Where changes go while the store is away; left out: they reject. */
  readonly offline: OfflineWrites | undefined;
  /** The length of a lease where none is known. */
  readonly serviceTtlMs: number;
  snapshot(): RegistrySnapshot;
  /** What readers see. */
  shown(key: InstanceKey): ServiceInstance | undefined;
}

/** Changes the registry: at the store, or while that is away in the queue. Resolves when the own snapshot shows it. */
export class RegistryWrites {
  private readonly registering = new KeyedLock();
  /** What is being registered before there is a snapshot: the first one holds it, and so is news for once. */
  private readonly unseen = new Set<string>();

  constructor(private readonly deps: RegistryWritesDeps) {}

  /** @param keep whether this process renews the lease */
  register(asked: ServiceInstance, keep: boolean, claim?: number): Promise<RegisteredInstance> {
    // One after the other under one id: the second of two that come together has to see the first.
    return this.registering.run(keyOf(asked), () => {
      const replaced = this.deps.shown(asked) !== undefined;
      return this.write(
        asked,
        () => this.put(asked, keep, replaced, claim),
        (offline, attempt) => ({ ...offline.register(asked, keep, attempt), replaced }),
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
    const said = withSince(status, report, this.deps.shown(key), this.deps.clock.epoch());
    return this.write(
      key,
      () => this.say(key, status, said),
      (offline) => offline.setStatus(key, status, said),
    );
  }

  /** Sets an own instance to `draining`, unless a successor holds its id. */
  async drain(lease: Lease): Promise<void> {
    const shown = this.deps.shown(lease);
    const isSucceeded = shown !== undefined && shown.generation > lease.generation;
    if (isSucceeded) return;
    const note = { since: this.deps.clock.epoch(), reason: 'it shuts down' };
    await this.write(
      lease,
      () => this.deps.store.setStatus(lease, 'draining', note),
      (offline) => offline.setStatus(lease, 'draining', note),
    );
  }

  /** Ends an own lease. @throws RegistryUnavailableError also where that waits for the store */
  async end(lease: Lease): Promise<void> {
    await this.write(
      lease,
      () => this.remove(lease),
      (offline) => offline.deregister(lease),
    );
    if (this.deps.offline?.isRemoving(lease)) throw new RegistryUnavailableError('The registry cannot be reached');
  }

  /**
   * The lease that a caller means. @param generation left out: the own registration's, else the one that is shown
   * @throws RegistryUnavailableError where the snapshot cannot tell whether there is such an instance
   */
  leaseFor(key: InstanceKey, generation = this.ownLeaseOf(key)?.generation): Lease | undefined {
    const { offline, serviceTtlMs } = this.deps;
    const instance = this.deps.shown(key);
    const asked = generation ?? instance?.generation;
    if (asked !== undefined) {
      const known = offline?.generationOf(key, asked) ?? asked;
      return { ...keyFrom(key), generation: known, ttlMs: instance?.ttlMs ?? serviceTtlMs };
    }
    if (this.deps.snapshot().connected) return undefined;
    throw new RegistryUnavailableError('The registry cannot be reached, and no earlier answer holds this instance', {
      service: key.serviceName,
      instanceId: key.instanceId,
    });
  }

  /** Resolves when the own snapshot shows an effect, when patience ends, or at once where it does not follow the store now. */
  async untilShown(key: InstanceKey, holds: () => boolean, patienceMs = VISIBILITY_PATIENCE_MS): Promise<void> {
    const isOver = (): boolean => holds() || !this.deps.snapshot().connected;
    if (isOver()) return;
    let stop: () => void = () => undefined;
    const shown = new Promise<void>((resolve) => {
      stop = this.deps.effects.add(key, () => {
        if (isOver()) resolve();
      });
    });
    await settlesWithin(this.deps.clock, patienceMs, shown);
    stop();
  }

  /** There is a first snapshot: tells of what was registered before it. */
  reportUnseen(): void {
    for (const instance of [...this.deps.snapshot().services.values()].flat()) {
      if (this.unseen.has(keyOf(instance))) this.deps.events.emit('instance.registered', { instance, replaced: false });
    }
    this.unseen.clear();
  }

  /** Resolves when nothing is being registered, recovered or reconciled. */
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
    asked: ServiceInstance,
    keep: boolean,
    replaced: boolean,
    claim?: number,
  ): Promise<RegisteredInstance> {
    if (!this.deps.snapshot().ready) this.unseen.add(keyOf(asked));
    const lease = await this.deps.keeper.register(asked, keep, claim).catch((error: unknown) => {
      this.unseen.delete(keyOf(asked));
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
      seen?.generation === lease.generation ? seen : changeInstance(asked, { generation: lease.generation });
    return { instance, lease, replaced };
  }

  private async remove(lease: Lease): Promise<boolean> {
    const removed = await this.deps.store.remove(lease);
    if (removed) await this.untilShown(lease, () => this.deps.shown(lease)?.generation !== lease.generation);
    return removed;
  }

  private async say(key: InstanceKey, status: OperatorStatus | HealthStatus, detail?: StatusDetail): Promise<boolean> {
    if (detail && this.isOldNews(key, status, detail)) return true;
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
   * Whether a health check found what the store has told already. Nearly all do, and would cost a shared store more than
   * all else. Where something else was said of the instance meanwhile and has not been heard yet, the next check says
   * it again.
   */
  private isOldNews(key: InstanceKey, status: OperatorStatus | HealthStatus, detail: StatusDetail): boolean {
    const shown = this.deps.snapshot().connected ? this.deps.shown(key) : undefined;
    return shown?.healthStatus === status && !isHealthNews(shown.health, detail as HealthDetail);
  }

  private ownLeaseOf(key: InstanceKey): Lease | undefined {
    return this.deps.offline?.leaseOf(key) ?? this.deps.keeper.leaseOf(key);
  }
}

/** Whoever checks, or takes out, says what and why; the registry since when it is so. */
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
    // To say it again takes nothing back of what was said with it; but nobody gives the reasons of somebody else.
    const said = reason === undefined && by === undefined ? known : withoutUndefined({ reason, by });
    return { ...said, since };
  }
  const health = report as HealthDetail | undefined;
  const since = shown?.healthStatus === status ? shown.health?.since : health?.checkedAt;
  return health && since !== undefined ? { ...health, since } : health;
}

function keyFrom({ serviceName, instanceId }: InstanceKey): InstanceKey {
  return { serviceName, instanceId };
}
