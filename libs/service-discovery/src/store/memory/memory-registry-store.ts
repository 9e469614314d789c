import { isDeepStrictEqual } from 'node:util';
import {
  EndQueue,
  RegistryUnavailableError,
  systemClock,
  type Clock,
  type Ending,
  type Timer,
} from '../../common/index.js';
import {
  changeInstance,
  effectiveStatus,
  type Change,
  type HealthDetail,
  type HealthStatus,
  type InstanceKey,
  type Lease,
  type LeaseKind,
  type OperatorNote,
  type OperatorStatus,
  type RemovalReason,
  type ServiceInstance,
  type ServiceSplit,
  type StatusDetail,
  type WatchScope,
} from '../../model/index.js';
import { isHealthNews, isOperatorStatus, type RegistryStore } from '../registry-store.js';
import { holdsWithin, resolveSelfPreservationOptions, type SelfPreservationOptions } from '../self-preservation.js';
import { splitsWithin, WatchHub, type ResetChange } from '../watch-hub.js';
import { ExpiryGuard } from './expiry-guard.js';

interface Entry extends Ending {
  instance: ServiceInstance;
  /** The generation of the first registration, before it was recovered. */
  readonly claim: number;
  /** The detail last sent to watchers. */
  announced: HealthDetail | undefined;
}

/** An expiry timer that fires later than this shows that the process was stalled. */
const STALL_MS = 1_000;
/** The most that leases are extended after a stall. */
const LONGEST_GRACE_MS = 30_000;
/** How often services whose expiry is held are judged again. */
const HOLD_CHECK_MS = 1_000;
const NO_ENTRIES: ReadonlyMap<string, Entry> = new Map();

/** The clock of a store in memory, and when it holds expiry. */
export interface MemoryRegistryStoreOptions {
  /** @default the system clock */
  clock?: Clock;
  /** When expiry is held because too many instances of a service miss heartbeats at once; false: never. @default on */
  selfPreservation?: Partial<SelfPreservationOptions> | false;
}

/**
 * Keeps registrations in the memory of this process. The cost of a renewal does not depend on the number of instances.
 * One timer, which does not keep the process alive, waits for the earliest lease; `close()` stops it.
 *
 * After the process was stalled (by a debugger or a long blocking call), heartbeats could not arrive, so nothing
 * expires for as long as the stall lasted, at most 30 s.
 */
export class MemoryRegistryStore implements RegistryStore {
  private readonly clock: Clock;
  private readonly services = new Map<string, Map<string, Entry>>();
  private readonly expiries = new EndQueue<Entry>();
  private readonly guard: ExpiryGuard;
  private readonly splits = new Map<string, ServiceSplit>();
  private readonly hub = new WatchHub((scope) => this.reset(scope));
  private revision = 0;
  /**
   * One counter for all ids, so that removed ids need not be remembered. It starts at the wall clock, so that leases
   * from before a restart of this process are not mistaken for newer ones.
   */
  private lastGeneration = 0;
  private timer: Timer | undefined;
  private timerDue = Number.POSITIVE_INFINITY;
  private noExpiryBefore = Number.NEGATIVE_INFINITY;
  /** When services whose expiry is held are judged next. */
  private holdCheckAt = Number.POSITIVE_INFINITY;
  private closed = false;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor({ clock = systemClock, selfPreservation }: MemoryRegistryStoreOptions = {}) {
    this.clock = clock;
    this.guard = new ExpiryGuard(resolveSelfPreservationOptions(selfPreservation));
    this.lastGeneration = this.nextGeneration();
  }

  async put(instance: ServiceInstance, ttlMs: number): Promise<Lease> {
    this.assertOpen();
    return this.register(instance, ttlMs);
  }

  async recover(instance: ServiceInstance, ttlMs: number, claim: number): Promise<Lease | null> {
    this.assertOpen();
    const holder = this.find(instance);
    return holder && holder.claim > claim ? null : this.register(instance, ttlMs, claim);
  }

  async renew(leases: readonly Lease[], by: LeaseKind = 'heartbeat'): Promise<readonly boolean[]> {
    this.assertOpen();
    const now = this.clock.now();
    const at = this.clock.epoch();
    const instances: ServiceInstance[] = [];
    const converted: Entry[] = [];
    const results = leases.map((lease) => {
      const entry = this.holderOf(lease);
      if (!entry) return false;
      const { lease: keptBy, ttlMs } = entry.instance;
      if (keptBy === 'heartbeat' && by === 'checks') return true;
      entry.endsAt = now + ttlMs;
      entry.instance = changeInstance(entry.instance, { lastHeartbeat: at, lease: by });
      instances.push(entry.instance);
      if (keptBy !== by) converted.push(entry);
      return true;
    });
    for (const entry of converted) this.announce(entry);
    if (instances.length > 0) this.announceRenewals(instances, at);
    return results;
  }

  async remove(lease: Lease): Promise<boolean> {
    this.assertOpen();
    const entry = this.holderOf(lease);
    if (!entry) return false;
    this.expiries.remove(entry);
    this.arm();
    this.drop(entry, 'deregistered');
    return true;
  }

  /**
   * A detail under an unchanged status is sent to watchers only if {@link isHealthNews} says so, but always stored, so
   * the next reset has it. A changed health without a detail drops the old detail, which would contradict it. The
   * operator status keeps its note; `up` has none.
   */
  async setStatus(key: InstanceKey, status: OperatorStatus | HealthStatus, detail?: StatusDetail): Promise<boolean> {
    this.assertOpen();
    const entry = this.find(key);
    if (!entry) return false;
    const { instance } = entry;
    if (isOperatorStatus(status)) {
      const operatorNote = status === 'up' ? undefined : (detail as OperatorNote | undefined);
      if (status === instance.operatorStatus && isDeepStrictEqual(operatorNote, instance.operatorNote)) return true;
      const shown = effectiveStatus(status, instance.healthStatus);
      entry.instance = changeInstance(instance, { operatorStatus: status, operatorNote, status: shown });
      this.announce(entry);
      return true;
    }
    const changed = status !== instance.healthStatus;
    const health = (detail as HealthDetail | undefined) ?? (changed ? undefined : instance.health);
    entry.instance = changeInstance(instance, {
      healthStatus: status,
      status: effectiveStatus(instance.operatorStatus, status),
      health,
    });
    if (changed || isHealthNews(entry.announced, health)) this.announce(entry);
    return true;
  }

  async setSplit(serviceName: string, split: ServiceSplit, replaces: ServiceSplit | undefined): Promise<boolean> {
    this.assertOpen();
    if (!isDeepStrictEqual(this.splits.get(serviceName), replaces)) return false;
    this.splits.set(serviceName, split);
    this.publish({ type: 'split', revision: ++this.revision, serviceName, split });
    return true;
  }

  watch(scope: WatchScope, signal: AbortSignal): AsyncIterable<Change> {
    return this.hub.open(scope, signal);
  }

  async generationNow(): Promise<number> {
    this.assertOpen();
    return this.nextGeneration();
  }

  /** Ends all watches and stops the timer. Later calls reject; a later watch ends at once. */
  async close(): Promise<void> {
    this.closed = true;
    this.disarm();
    this.hub.close();
  }

  private assertOpen(): void {
    if (this.closed) throw new RegistryUnavailableError('The registry store is closed');
  }

  /** @param claim default: its own generation */
  private register(instance: ServiceInstance, ttlMs: number, claim?: number): Lease {
    const { serviceName, instanceId } = instance;
    let entries = this.services.get(serviceName);
    if (!entries) this.services.set(serviceName, (entries = new Map<string, Entry>()));
    const previous = entries.get(instanceId);
    if (previous) this.expiries.remove(previous);

    const operatorStatus = previous?.instance.operatorStatus === 'maintenance' ? 'maintenance' : 'up';
    const now = this.clock.epoch();
    const generation = this.nextGeneration();
    this.lastGeneration = generation;
    const entry: Entry = {
      claim: claim ?? generation,
      instance: changeInstance(instance, {
        operatorStatus,
        operatorNote: operatorStatus === 'up' ? undefined : previous?.instance.operatorNote,
        healthStatus: 'unknown',
        status: effectiveStatus(operatorStatus, 'unknown'),
        health: undefined,
        generation,
        ttlMs,
        registeredAt: now,
        lastHeartbeat: now,
      }),
      endsAt: this.clock.now() + ttlMs,
      queuedFor: 0,
      position: -1,
      announced: undefined,
    };
    entries.set(instanceId, entry);
    this.expiries.add(entry);
    this.arm();
    this.announce(entry);
    return { serviceName, instanceId, generation, ttlMs };
  }

  /** In microseconds, as in Redis, so that the counter never outruns the clock. */
  private nextGeneration(): number {
    return Math.max(this.lastGeneration + 1, Math.floor(this.clock.epoch() * 1_000));
  }

  private find({ serviceName, instanceId }: InstanceKey): Entry | undefined {
    return this.services.get(serviceName)?.get(instanceId);
  }

  private holderOf(lease: Lease): Entry | undefined {
    const entry = this.find(lease);
    return entry?.instance.generation === lease.generation ? entry : undefined;
  }

  private reset(scope: WatchScope): ResetChange {
    const names = scope.services ? new Set(scope.services) : this.services.keys();
    const instances: ServiceInstance[] = [];
    for (const name of names) {
      for (const entry of this.services.get(name)?.values() ?? []) instances.push(entry.instance);
    }
    return {
      type: 'reset',
      revision: this.revision,
      instances,
      ...holdsWithin(this.guard.holds, scope),
      ...splitsWithin(this.splits, scope),
    };
  }

  private announce(entry: Entry): void {
    entry.announced = entry.instance.health;
    this.publish({ type: 'put', revision: ++this.revision, instance: entry.instance });
  }

  private announceRenewals(instances: readonly ServiceInstance[], at: number): void {
    const keys = instances.map(({ serviceName, instanceId }) => ({ serviceName, instanceId }));
    this.publish({ type: 'renewed', revision: ++this.revision, keys, at, instances });
  }

  private drop({ instance: { serviceName, instanceId } }: Entry, reason: RemovalReason): void {
    const entries = this.services.get(serviceName);
    entries?.delete(instanceId);
    if (entries?.size === 0) this.services.delete(serviceName);
    this.publish({ type: 'remove', revision: ++this.revision, key: { serviceName, instanceId }, reason });
  }

  private publish(change: Change): void {
    this.hub.publish(change);
  }

  private arm(): void {
    const next = Math.min(this.expiries.nextCheckAt ?? Number.POSITIVE_INFINITY, this.holdCheckAt);
    if (next === Number.POSITIVE_INFINITY) {
      this.disarm();
      return;
    }
    const due = Math.max(next, this.noExpiryBefore);
    if (due >= this.timerDue) return;
    this.disarm();
    this.timerDue = due;
    // Rounded up: timers count whole milliseconds and would otherwise fire just before the time.
    this.timer = this.clock.setTimer(() => this.sweep(), Math.ceil(due - this.clock.now()), { keepAlive: false });
  }

  private disarm(): void {
    this.timer?.cancel();
    this.timerDue = Number.POSITIVE_INFINITY;
  }

  private sweep(): void {
    const now = this.clock.now();
    const lateMs = now - this.timerDue;
    this.timerDue = Number.POSITIVE_INFINITY;
    if (lateMs > STALL_MS) {
      this.noExpiryBefore = now + Math.min(lateMs, LONGEST_GRACE_MS);
    } else {
      this.expireUntil(now);
    }
    this.arm();
  }

  /**
   * Has the guard judge each service that has expired leases. Services whose expiry is held are judged once a second,
   * however many of their leases end in between.
   */
  private expireUntil(now: number): void {
    const isHoldCheck = now >= this.holdCheckAt;
    const checkAt = isHoldCheck ? now + HOLD_CHECK_MS : Math.min(this.holdCheckAt, now + HOLD_CHECK_MS);
    const held = isHoldCheck ? this.guard.heldServices() : [];
    const ended = new Map<string, Entry[]>(held.map((name) => [name, []]));
    for (let entry = this.expiries.takeEnded(now); entry; entry = this.expiries.takeEnded(now)) {
      const { serviceName } = entry.instance;
      const known = ended.get(serviceName);
      if (known) known.push(entry);
      else if (this.guard.isHolding(serviceName)) this.expiries.add(entry, checkAt);
      else ended.set(serviceName, [entry]);
    }
    for (const [serviceName, entries] of ended) this.expire(serviceName, entries, now, checkAt);
    this.holdCheckAt = this.guard.isHolding() ? checkAt : Number.POSITIVE_INFINITY;
  }

  /** @param ended the leases of the service that have expired */
  private expire(serviceName: string, ended: readonly Entry[], now: number, checkAt: number): void {
    const entries = this.services.get(serviceName) ?? NO_ENTRIES;
    const { takeUpTo, news } = this.guard.judge(serviceName, entries, now, this.noExpiryBefore, this.clock.epoch());
    if (news !== undefined) this.publish({ type: 'hold', revision: ++this.revision, serviceName, hold: news });
    for (const entry of ended) {
      if (entry.endsAt <= takeUpTo) this.drop(entry, 'expired');
      else this.expiries.add(entry, checkAt);
    }
  }
}
