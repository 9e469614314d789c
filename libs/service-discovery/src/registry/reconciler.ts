import { LeaseLostError, reconnectDelay, type Clock, type Random, type Timer } from '../common/index.js';
import { type InstanceKey, type ServiceInstance } from '../model/index.js';
import { type RegistryStore } from '../store/index.js';
import { inBatches } from './batches.js';
import { type LeaseKeeper } from './lease-keeper.js';
import { type OfflineQueue } from './offline-queue.js';
import {
  isSuperseded,
  type OfflineRegistration,
  type OfflineRemoval,
  type OfflineStatus,
  type OfflineWrite,
  type Words,
} from './offline-write.js';

const CONCURRENCY = 16;
/** The waits after a pass in which the store did not take everything, though it can be watched. */
const BACKOFF = { firstMs: 1_000, longestMs: 10_000 };

/** What became of the changes that waited, one an instance. */
interface Reconciliation {
  /** Told to the store. */
  readonly applied: number;
  /** Dropped: a newer registration holds the id. */
  readonly superseded: number;
  /** Dropped: there is no such registration any more. */
  readonly gone: number;
  /** Dropped: heartbeats of what waited to be registered have stopped. */
  readonly expired: number;
}

export interface ReconcilerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: RegistryStore;
  readonly keeper: LeaseKeeper;
  readonly queue: OfflineQueue;
  /** Whether the store is being watched, and takes writes. */
  connected(): boolean;
  /** What the store shows. */
  stored(key: InstanceKey): ServiceInstance | undefined;
  /** Something about a change is different from before: readers may see something else now. */
  changed(key: InstanceKey): void;
  /** Nothing waits any more. */
  done(outcome: Reconciliation): void;
}

/**
 * Tells the store what was done while it was away: removals by generation, statuses where the same registration still
 * stands, registrations unless a newer one was made elsewhere. Goes on trying while the store can be watched; when it
 * is away again, waits for its next return.
 */
export class Reconciler {
  private counts = { applied: 0, superseded: 0, gone: 0, expired: 0 };
  private running: Promise<void> | undefined;
  private timer: Timer | undefined;
  private failures = 0;
  private closed = false;

  constructor(private readonly deps: ReconcilerDeps) {}

  /** Begins a pass; does nothing while one is under way, as that takes in what comes meanwhile. */
  run(): void {
    if (this.running || this.closed || !this.deps.connected()) return;
    this.disarm();
    this.running = this.pass().finally(() => {
      this.running = undefined;
      this.finish();
    });
  }

  /** Something waits though the store can be watched: it is tried again soon. */
  wake(): void {
    if (this.running || this.timer || this.closed || !this.deps.connected()) return;
    const delay = reconnectDelay(Math.max(1, this.failures), BACKOFF, this.deps.random);
    this.timer = this.deps.clock.setTimer(() => this.run(), delay, { keepAlive: false });
  }

  /** Resolves when no pass is under way. */
  async idle(): Promise<void> {
    await this.running;
  }

  close(): void {
    this.closed = true;
    this.disarm();
  }

  private disarm(): void {
    this.timer?.cancel();
    this.timer = undefined;
  }

  private async pass(): Promise<void> {
    let failed = false;
    await inBatches(this.deps.queue.waiting(), CONCURRENCY, async (key) => {
      if (this.closed || !this.deps.connected()) return;
      // Whoever watches the registry reports the outage; here it only means to try again.
      await this.deliver(key).catch(() => (failed = true));
    });
    this.failures = failed ? this.failures + 1 : 0;
  }

  private finish(): void {
    if (this.closed) return;
    if (this.deps.queue.waiting().length > 0) {
      this.wake();
      return;
    }
    const { counts } = this;
    this.counts = { applied: 0, superseded: 0, gone: 0, expired: 0 };
    this.deps.done(counts);
  }

  /** Until nothing waits for an instance: what is done to it meanwhile is told, too. */
  private async deliver(key: InstanceKey): Promise<void> {
    const { queue } = this.deps;
    for (let write = queue.get(key); write && !write.told; write = queue.get(key)) {
      try {
        await this.tell(key, write);
      } finally {
        if (!this.closed) this.deps.changed(key);
      }
      if (this.closed) return;
    }
  }

  private tell(key: InstanceKey, write: OfflineWrite): Promise<void> {
    if (write.kind === 'removal') return this.remove(key, write);
    if (write.kind === 'status') return this.setStatus(key, write);
    return write.lease ? this.finishRegistration(key, write) : this.register(key, write);
  }

  private async register(key: InstanceKey, write: OfflineRegistration): Promise<void> {
    const { queue, keeper, clock } = this.deps;
    const stored = this.deps.stored(key);
    const own = keeper.leaseOf(key);
    if (own && own.generation === stored?.generation) {
      // It was put before, lost with the store's memory, and registered again by whoever keeps the lease.
      queue.obtained(write, own);
      return;
    }
    if (!write.keep && clock.now() - write.aliveAt > write.instance.ttlMs) {
      this.drop(key, 'expired');
      return;
    }
    const claim = await this.claimOf(write, stored);
    if (claim === undefined && stored && isSuperseded(write, stored)) {
      this.giveWay(key, write);
      return;
    }
    queue.send(key);
    try {
      queue.obtained(write, await keeper.register(write.instance, write.keep, claim));
    } catch (error) {
      queue.unanswered(key);
      if (!(error instanceof LeaseLostError)) throw error;
      this.giveWay(key, write);
    }
  }

  /**
   * The generation that a registration would have had if the store had been there, by which the store tells the later one
   * of several. It is later than what it replaced, and than a try of its own that went unanswered.
   * @returns undefined: the store cannot tell
   */
  private async claimOf(write: OfflineRegistration, stored: ServiceInstance | undefined): Promise<number | undefined> {
    const { clock, store } = this.deps;
    const now = await store.generationNow?.();
    if (now === undefined) return undefined;
    // By the time that the answer took, the claim is too early: what was registered later never gives way.
    const ageMs = clock.now() - write.askedAt;
    const unanswered = stored && !isSuperseded(write, stored) ? stored.generation : 0;
    return Math.max(Math.floor(now - ageMs * 1_000), write.base + 1, unanswered);
  }

  /** A later registration holds the id, so this one is made only after that has ended. */
  private giveWay(key: InstanceKey, write: OfflineRegistration): void {
    const { queue, keeper } = this.deps;
    const waiting = queue.get(key);
    // What was registered or removed here while the store was asked is told next.
    if (waiting?.kind !== 'registration' || waiting.instance.generation !== write.instance.generation) return;
    if (write.keep && !keeper.leaseOf(key)) keeper.adopt(write.instance, key);
    this.drop(key, 'superseded');
  }

  private async finishRegistration(key: InstanceKey, write: OfflineRegistration): Promise<void> {
    await this.say(key, write);
    if (this.deps.queue.settle(key, write)) this.counts.applied += 1;
  }

  private async remove(key: InstanceKey, write: OfflineRemoval): Promise<void> {
    const { keeper, store, queue } = this.deps;
    if (keeper.leaseOf(key)?.generation === write.base) keeper.forget(key);
    const removed = await store.remove({ ...key, generation: write.base, ttlMs: 0 });
    if (!queue.settle(key, write)) return;
    const stored = this.deps.stored(key);
    if (removed) this.counts.applied += 1;
    else this.counts[stored && stored.generation > write.base ? 'superseded' : 'gone'] += 1;
  }

  private async setStatus(key: InstanceKey, write: OfflineStatus): Promise<void> {
    const { keeper, queue } = this.deps;
    const stored = this.deps.stored(key);
    const own = write.isOwn ? keeper.leaseOf(key) : undefined;
    if (!stored) {
      this.drop(key, 'gone');
    } else if (stored.generation === write.base) {
      // Where the store has forgotten it, whoever keeps the lease says the operator's word again.
      const isKnown = (await this.say(key, write)) || own !== undefined;
      if (queue.settle(key, write)) this.counts[isKnown ? 'applied' : 'gone'] += 1;
    } else if (stored.generation === own?.generation) {
      queue.rebase(key, stored.generation);
    } else {
      this.drop(key, 'superseded');
    }
  }

  private async say(key: InstanceKey, { operator, note, health }: Words): Promise<boolean> {
    const { store } = this.deps;
    const heard = operator === undefined || (await store.setStatus(key, operator, note));
    return heard && (health === undefined || store.setStatus(key, health.status, health.detail));
  }

  private drop(key: InstanceKey, why: 'superseded' | 'gone' | 'expired'): void {
    this.counts[why] += 1;
    this.deps.queue.drop(key);
  }
}
