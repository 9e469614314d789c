import { counted, RegistryUnavailableError, type Clock } from '../../common/index.js';
import {
  changeInstance,
  keyOf,
  type HealthDetail,
  type HealthStatus,
  type InstanceKey,
  type Lease,
  type LeaseKind,
  type OperatorStatus,
  type ServiceInstance,
  type StatusDetail,
  type OperatorNote,
} from '../../model/index.js';
import { isOperatorStatus } from '../../store/index.js';
import {
  isShown,
  shownOver,
  withStatus,
  type OfflineRegistration,
  type OfflineWrite,
  type StatusUpdate,
} from './offline-write.js';

/**
 * The share of the queue that health results may fill. The next check repeats them, so other writes take precedence.
 */
const HEALTH_SHARE = 1 / 2;

/**
 * The writes that wait for the store, one per instance. A write stays after the store acknowledged it, until the store
 * shows it, so that readers see no gap in between. Does no I/O.
 */
export class OfflineQueue {
  private readonly writes = new Map<string, OfflineWrite>();
  /** The generations that the store assigned in place of provisional ones, which callers still use. By key. */
  private readonly assigned = new Map<string, { readonly provisional: number; readonly generation: number }>();
  private readonly sending = new Set<string>();
  private lastGeneration: number;

  /** @param limit how many instances may have queued writes */
  constructor(
    private readonly limit: number,
    private readonly clock: Clock,
  ) {
    this.lastGeneration = Math.floor(clock.epoch());
  }

  get size(): number {
    return this.writes.size;
  }

  /** The instances whose write the store has not acknowledged. */
  waiting(): InstanceKey[] {
    return [...this.writes].filter(([, { acknowledged }]) => !acknowledged).map(([id]) => keyFrom(id));
  }

  keys(): InstanceKey[] {
    return [...this.writes.keys()].map(keyFrom);
  }

  get(key: InstanceKey): OfflineWrite | undefined {
    return this.writes.get(keyOf(key));
  }

  /** Whether a write is waiting, so that later writes to the instance have to be queued behind it. */
  holds(key: InstanceKey): boolean {
    return this.get(key)?.acknowledged === false;
  }

  /** The instance as readers see it. @param stored what the store shows; undefined if nothing */
  show(key: InstanceKey, stored: ServiceInstance | undefined): ServiceInstance | undefined {
    const write = this.get(key);
    if (!write) return stored;
    // What the store shows before it answers is most likely the registration being sent.
    if (write.kind === 'registration' && this.sending.has(keyOf(key))) return write.instance;
    if (!isShown(write, stored)) return shownOver(write, stored);
    this.drop(key);
    return stored;
  }

  /** The store's generation for a provisional one. */
  generationOf(key: InstanceKey, generation: number): number {
    const assigned = this.assigned.get(keyOf(key));
    return assigned?.provisional === generation && !this.holds(key) ? assigned.generation : generation;
  }

  /** Drops the provisional generation of an instance that is gone. */
  forget(key: InstanceKey): void {
    if (!this.writes.has(keyOf(key))) this.assigned.delete(keyOf(key));
  }

  /** Drops the provisional generations of all instances that are gone. */
  retain(isThere: (key: InstanceKey) => boolean): void {
    for (const id of this.assigned.keys()) if (!isThere(keyFrom(id))) this.forget(keyFrom(id));
  }

  /** @throws RegistryUnavailableError if the queue is full */
  register(
    requested: ServiceInstance,
    { keep, inDoubt, requestedAt, shown, base }: RegistrationContext,
  ): OfflineRegistration {
    const known = this.get(requested);
    this.makeRoom(requested, this.limit);
    this.lastGeneration = Math.max(this.lastGeneration, shown?.generation ?? 0) + 1;
    const instance = { ...requested, generation: this.lastGeneration };
    // As in every store, a replacement keeps maintenance.
    const operator = shown?.operatorStatus === 'maintenance' ? 'maintenance' : undefined;
    const owed = known && known.kind !== 'removal' && known.operator !== 'draining' ? known.operator : undefined;
    const write: OfflineRegistration = {
      kind: 'registration',
      base: Math.max(known?.base ?? 0, base),
      acknowledged: false,
      instance: withStatus(instance, { operator, note: operator && shown?.operatorNote }),
      keep,
      inDoubt,
      requestedAt,
      aliveAt: this.clock.now(),
      operator: owed,
      note: known && known.kind !== 'removal' ? known.note : undefined,
    };
    this.writes.set(keyOf(requested), write);
    return write;
  }

  /** @param generation the one to remove @throws RegistryUnavailableError if the queue is full */
  remove(key: InstanceKey, generation: number): void {
    const id = keyOf(key);
    const known = this.writes.get(id);
    this.makeRoom(key, this.limit);
    const base = known?.kind === 'registration' ? known.base : generation;
    const isRegistering = this.sending.has(id);
    // The store never saw this registration, so there is nothing to remove.
    if (base === 0 && !isRegistering) this.writes.delete(id);
    else this.writes.set(id, { kind: 'removal', base, acknowledged: false, isRegistering });
  }

  /**
   * @param shown the instance as readers see it
   * @returns false for a health result that finds no room
   * @throws RegistryUnavailableError if the queue is full
   */
  setStatus(
    shown: ServiceInstance,
    status: OperatorStatus | HealthStatus,
    detail: StatusDetail | undefined,
    isOwn: boolean,
  ): boolean {
    const known = this.get(shown);
    const update: StatusUpdate = isOperatorStatus(status)
      ? { operator: status, note: status === 'up' ? undefined : (detail as OperatorNote | undefined) }
      : { health: { status, detail: detail as HealthDetail | undefined } };
    if (known?.kind === 'registration') {
      const instance = withStatus(known.instance, update);
      this.writes.set(keyOf(shown), { ...known, ...update, instance, acknowledged: false });
      return true;
    }
    const isRoom = known !== undefined || this.writes.size < this.limit * HEALTH_SHARE;
    if (update.health && !isRoom) return false;
    this.makeRoom(shown, this.limit);
    const earlier = known?.kind === 'status' && known.base === shown.generation ? known : {};
    this.writes.set(keyOf(shown), {
      ...earlier,
      ...update,
      kind: 'status',
      base: shown.generation,
      acknowledged: false,
      isOwn,
    });
    return true;
  }

  /** Renews a queued registration. */
  touch(key: InstanceKey, by: LeaseKind): void {
    const known = this.get(key);
    if (known?.kind !== 'registration' || (by === 'checks' && known.instance.lease === 'heartbeat')) return;
    const instance = changeInstance(known.instance, { lastHeartbeat: this.clock.epoch(), lease: by });
    this.writes.set(keyOf(key), { ...known, instance, aliveAt: this.clock.now() });
  }

  /** Marks a registration as being sent, until {@link obtained} or {@link unanswered}. */
  send(key: InstanceKey): void {
    this.sending.add(keyOf(key));
  }

  /**
   * The store returned a lease. Writes queued while the registration was being sent apply to that lease from now on.
   */
  obtained(sent: OfflineRegistration, lease: Lease): void {
    const id = keyOf(lease);
    this.sending.delete(id);
    this.assigned.set(id, { provisional: sent.instance.generation, generation: lease.generation });
    const known = this.writes.get(id);
    const { generation: base } = lease;
    if (known?.kind === 'registration') this.writes.set(id, { ...known, base, lease });
    else this.writes.set(id, { kind: 'removal', base, acknowledged: false, isRegistering: false });
  }

  /** Sending a registration failed: the store may or may not have it. */
  unanswered(key: InstanceKey): void {
    const id = keyOf(key);
    this.sending.delete(id);
    const known = this.writes.get(id);
    if (known?.kind === 'registration') this.writes.set(id, { ...known, inDoubt: true });
    if (known?.kind !== 'removal') return;
    if (known.base === 0) this.writes.delete(id);
    else this.writes.set(id, { ...known, isRegistering: false });
  }

  /** Marks a write as acknowledged. @returns false if another write replaced it in the meantime */
  acknowledge(key: InstanceKey, sent: OfflineWrite): boolean {
    const known = this.get(key);
    if (!known || !isSameChange(known, sent)) return false;
    this.writes.set(keyOf(key), { ...known, acknowledged: true });
    return true;
  }

  /** The own registration has a new generation: applies the queued status to that one. */
  rebase(key: InstanceKey, base: number): void {
    const known = this.get(key);
    if (known) this.writes.set(keyOf(key), { ...known, base });
  }

  drop(key: InstanceKey): void {
    this.writes.delete(keyOf(key));
  }

  /**
   * The store is back and may have lost acknowledged writes: those that it does not show are sent again.
   * @param held the generation that the store holds
   */
  reopen(held: (key: InstanceKey) => number | undefined): void {
    for (const [id, write] of this.writes) {
      // Acknowledged but not shown: another process has changed the status since.
      if (write.kind === 'status' && write.acknowledged) this.writes.delete(id);
      else if (write.kind === 'removal') this.writes.set(id, { ...write, acknowledged: false });
      else if (write.kind === 'registration') this.reopenRegistration(id, write, held(keyFrom(id)));
    }
  }

  private reopenRegistration(id: string, write: OfflineRegistration, generation: number | undefined): void {
    if (generation !== undefined && generation === write.lease?.generation) return;
    // A store that lost the instance has also lost its maintenance, so a replacement could not keep it.
    const owed =
      generation === undefined && write.instance.operatorStatus === 'maintenance' ? 'maintenance' : undefined;
    this.writes.set(id, {
      ...write,
      acknowledged: false,
      lease: undefined,
      operator: write.operator ?? owed,
      note: write.note ?? write.instance.operatorNote,
    });
  }

  private makeRoom(key: InstanceKey, limit: number): void {
    if (this.writes.has(keyOf(key)) || this.writes.size < limit) return;
    throw new RegistryUnavailableError(
      `The registry is unreachable, and ${counted(this.writes.size, 'change')} ${this.writes.size === 1 ? 'is' : 'are'} waiting for it, the limit set by maxOfflineWrites. Bring it back, or raise the limit`,
      { service: key.serviceName, instanceId: key.instanceId },
    );
  }
}

export interface RegistrationContext {
  readonly keep: boolean;
  readonly inDoubt: boolean;
  /** Monotonic milliseconds. */
  readonly requestedAt: number;
  /** The instance as readers see it. */
  readonly shown: ServiceInstance | undefined;
  /** The generation that the store is known to hold under the id; 0 if none. */
  readonly base: number;
}

/** Whether the write is still the one that was sent; heartbeats do not make it another one. */
function isSameChange(known: OfflineWrite, sent: OfflineWrite): boolean {
  if (known.kind === 'removal') return sent.kind === 'removal' && known.base === sent.base;
  if (
    sent.kind !== known.kind ||
    known.operator !== sent.operator ||
    known.note !== sent.note ||
    known.health !== sent.health
  )
    return false;
  if (known.kind === 'registration' && sent.kind === 'registration') {
    return known.instance.generation === sent.instance.generation;
  }
  return known.base === sent.base;
}

function keyFrom(id: string): InstanceKey {
  const at = id.indexOf('/');
  return { serviceName: id.slice(0, at), instanceId: id.slice(at + 1) };
}
