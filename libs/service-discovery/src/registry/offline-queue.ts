import { RegistryUnavailableError, type Clock } from '../common/index.js';
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
} from '../model/index.js';
import { isOperatorStatus } from '../store/index.js';
import {
  isShown,
  shownOver,
  withWords,
  type OfflineRegistration,
  type OfflineWrite,
  type Words,
} from './offline-write.js';
import { type SnapshotOverlay } from './snapshot-feed.js';

/** How much of the queue health results may fill: the next check brings them again, so that others go first. */
const HEALTH_SHARE = 1 / 2;

/**
 * The changes that wait for the store, one an instance, and what readers see because of them. A change stays after it was
 * told to the store until the store shows it, so that nothing disappears in between. Does no I/O.
 */
export class OfflineQueue implements SnapshotOverlay {
  private readonly writes = new Map<string, OfflineWrite>();
  /** What the store gave in place of a provisional generation, by key: whoever registered knows only that one. */
  private readonly given = new Map<string, { readonly provisional: number; readonly generation: number }>();
  private readonly sending = new Set<string>();
  private lastGeneration: number;

  /** @param limit how many instances may have changes that wait */
  constructor(
    private readonly limit: number,
    private readonly clock: Clock,
  ) {
    this.lastGeneration = Math.floor(clock.epoch());
  }

  get size(): number {
    return this.writes.size;
  }

  /** Of those that the store has not taken yet. */
  waiting(): InstanceKey[] {
    return [...this.writes].filter(([, { told }]) => !told).map(([id]) => keyFrom(id));
  }

  keys(): InstanceKey[] {
    return [...this.writes.keys()].map(keyFrom);
  }

  get(key: InstanceKey): OfflineWrite | undefined {
    return this.writes.get(keyOf(key));
  }

  /** Whether a change waits: what is done to the instance next has to wait behind it. */
  holds(key: InstanceKey): boolean {
    return this.get(key)?.told === false;
  }

  show(key: InstanceKey, stored: ServiceInstance | undefined): ServiceInstance | undefined {
    const write = this.get(key);
    if (!write) return stored;
    // What the store shows before it answers is most likely what it is being told.
    if (write.kind === 'registration' && this.sending.has(keyOf(key))) return write.instance;
    if (!isShown(write, stored)) return shownOver(write, stored);
    this.drop(key);
    return stored;
  }

  /** The generation by which the store knows what was registered under a provisional one. */
  generationOf(key: InstanceKey, generation: number): number {
    const given = this.given.get(keyOf(key));
    return given?.provisional === generation && !this.holds(key) ? given.generation : generation;
  }

  /** Provisional generations of an instance that is gone will not be asked for any more. */
  forget(key: InstanceKey): void {
    if (!this.writes.has(keyOf(key))) this.given.delete(keyOf(key));
  }

  /** Forgets as {@link forget} whatever is not there. */
  retain(isThere: (key: InstanceKey) => boolean): void {
    for (const id of this.given.keys()) if (!isThere(keyFrom(id))) this.forget(keyFrom(id));
  }

  /** @throws RegistryUnavailableError where as many changes wait as may */
  register(asked: ServiceInstance, { keep, inDoubt, askedAt, shown, base }: RegistrationContext): OfflineRegistration {
    const known = this.get(asked);
    this.makeRoom(asked, this.limit);
    this.lastGeneration = Math.max(this.lastGeneration, shown?.generation ?? 0) + 1;
    const instance = { ...asked, generation: this.lastGeneration };
    // As in every store: maintenance outlives a replacement.
    const operator = shown?.operatorStatus === 'maintenance' ? 'maintenance' : undefined;
    const owed = known && known.kind !== 'removal' && known.operator !== 'draining' ? known.operator : undefined;
    const write: OfflineRegistration = {
      kind: 'registration',
      base: Math.max(known?.base ?? 0, base),
      told: false,
      instance: withWords(instance, { operator, note: operator && shown?.operatorNote }),
      keep,
      inDoubt,
      askedAt,
      aliveAt: this.clock.now(),
      operator: owed,
      note: known && known.kind !== 'removal' ? known.note : undefined,
    };
    this.writes.set(keyOf(asked), write);
    return write;
  }

  /** @param generation of what is to go @throws RegistryUnavailableError where as many changes wait as may */
  remove(key: InstanceKey, generation: number): void {
    const id = keyOf(key);
    const known = this.writes.get(id);
    this.makeRoom(key, this.limit);
    const base = known?.kind === 'registration' ? known.base : generation;
    const blind = this.sending.has(id);
    // What the store never heard of need not be taken back.
    if (base === 0 && !blind) this.writes.delete(id);
    else this.writes.set(id, { kind: 'removal', base, told: false, blind });
  }

  /**
   * @param shown what readers see
   * @returns false: it is no more than a health result, and there is no room for it
   * @throws RegistryUnavailableError where as many changes wait as may
   */
  setStatus(
    shown: ServiceInstance,
    status: OperatorStatus | HealthStatus,
    detail: StatusDetail | undefined,
    isOwn: boolean,
  ): boolean {
    const known = this.get(shown);
    const words: Words = isOperatorStatus(status)
      ? { operator: status, note: status === 'up' ? undefined : (detail as OperatorNote | undefined) }
      : { health: { status, detail: detail as HealthDetail | undefined } };
    if (known?.kind === 'registration') {
      const instance = withWords(known.instance, words);
      this.writes.set(keyOf(shown), { ...known, ...words, instance, told: false });
      return true;
    }
    const isRoom = known !== undefined || this.writes.size < this.limit * HEALTH_SHARE;
    if (words.health && !isRoom) return false;
    this.makeRoom(shown, this.limit);
    const earlier = known?.kind === 'status' && known.base === shown.generation ? known : {};
    this.writes.set(keyOf(shown), {
      ...earlier,
      ...words,
      kind: 'status',
      base: shown.generation,
      told: false,
      isOwn,
    });
    return true;
  }

  /** A renewal of what waits to be registered. */
  touch(key: InstanceKey, by: LeaseKind): void {
    const known = this.get(key);
    if (known?.kind !== 'registration' || (by === 'checks' && known.instance.lease === 'heartbeat')) return;
    const instance = changeInstance(known.instance, { lastHeartbeat: this.clock.epoch(), lease: by });
    this.writes.set(keyOf(key), { ...known, instance, aliveAt: this.clock.now() });
  }

  /** Says that a registration is on its way to the store, until {@link obtained} or {@link unanswered}. */
  send(key: InstanceKey): void {
    this.sending.add(keyOf(key));
  }

  /** The store gave a lease; what was done to the instance meanwhile is about that from now on. */
  obtained(sent: OfflineRegistration, lease: Lease): void {
    const id = keyOf(lease);
    this.sending.delete(id);
    this.given.set(id, { provisional: sent.instance.generation, generation: lease.generation });
    const known = this.writes.get(id);
    const { generation: base } = lease;
    if (known?.kind === 'registration') {
      const isSame = known.instance.generation === sent.instance.generation;
      this.writes.set(id, { ...known, base, lease: isSame ? lease : undefined });
    } else {
      this.writes.set(id, { kind: 'removal', base, told: false, blind: false });
    }
  }

  /** The store did not say whether it took a registration. */
  unanswered(key: InstanceKey): void {
    const id = keyOf(key);
    this.sending.delete(id);
    const known = this.writes.get(id);
    if (known?.kind === 'registration') this.writes.set(id, { ...known, inDoubt: true });
    if (known?.kind !== 'removal') return;
    if (known.base === 0) this.writes.delete(id);
    else this.writes.set(id, { ...known, blind: false });
  }

  /** The store has taken a change, unless another one replaced it meanwhile. @returns whether none did */
  settle(key: InstanceKey, sent: OfflineWrite): boolean {
    const known = this.get(key);
    if (!known || !isSameChange(known, sent)) return false;
    this.writes.set(keyOf(key), { ...known, told: true });
    return true;
  }

  /** Where the own registration is under another generation now, what was said about it is about that one. */
  rebase(key: InstanceKey, base: number): void {
    const known = this.get(key);
    if (known) this.writes.set(keyOf(key), { ...known, base });
  }

  drop(key: InstanceKey): void {
    this.writes.delete(keyOf(key));
  }

  /**
   * The store is back, and may have lost what it was told before it went: what it does not show has to be told again.
   * @param held the generation that it holds
   */
  reopen(held: (key: InstanceKey) => number | undefined): void {
    for (const [id, write] of this.writes) {
      // A status that was told and is not shown was changed by somebody else since.
      if (write.kind === 'status' && write.told) this.writes.delete(id);
      else if (write.kind === 'removal') this.writes.set(id, { ...write, told: false });
      else if (write.kind === 'registration') this.reopenRegistration(id, write, held(keyFrom(id)));
    }
  }

  private reopenRegistration(id: string, write: OfflineRegistration, generation: number | undefined): void {
    if (generation !== undefined && generation === write.lease?.generation) return;
    // What the store does not hold any more has no maintenance that it could keep.
    const owed =
      generation === undefined && write.instance.operatorStatus === 'maintenance' ? 'maintenance' : undefined;
    this.writes.set(id, {
      ...write,
      told: false,
      lease: undefined,
      operator: write.operator ?? owed,
      note: write.note ?? write.instance.operatorNote,
    });
  }

  private makeRoom(key: InstanceKey, limit: number): void {
    if (this.writes.has(keyOf(key)) || this.writes.size < limit) return;
    throw new RegistryUnavailableError(
      `The registry cannot be reached, and ${this.writes.size} changes wait for it already, as many as maxOfflineWrites allows`,
      { service: key.serviceName, instanceId: key.instanceId },
    );
  }
}

export interface RegistrationContext {
  readonly keep: boolean;
  readonly inDoubt: boolean;
  /** Monotonic milliseconds. */
  readonly askedAt: number;
  /** What readers see under the id. */
  readonly shown: ServiceInstance | undefined;
  /** The generation that the store holds under the id, as far as is known; 0: none. */
  readonly base: number;
}

/** Whether nothing but a heartbeat came since. */
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
