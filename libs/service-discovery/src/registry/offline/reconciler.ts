import { LeaseLostError, reconnectDelay, type Clock, type Random } from '../../common/index.js';
import {
  keyOf,
  type EventSink,
  type InstanceKey,
  type ServiceDiscoveryEvents,
  type ServiceInstance,
} from '../../model/index.js';
import { type RegistryStore } from '../../store/index.js';
import { type SnapshotFeed } from '../feed/snapshot-feed.js';
import { type LeaseKeeper } from '../leases/lease-keeper.js';
import { inBatches, type KeyedLock, Rounds } from '../rounds.js';
import { type StoreWrites } from '../store-writes.js';
import { type OfflineQueue } from './offline-queue.js';
import {
  isSuperseded,
  type OfflineRegistration,
  type OfflineRemoval,
  type OfflineStatus,
  type OfflineWrite,
  type StatusUpdate,
} from './offline-write.js';

const CONCURRENCY = 16;
/** The delay after a pass in which the store was connected but did not take every write. */
const BACKOFF = { firstMs: 1_000, longestMs: 10_000 };

const NONE: ServiceDiscoveryEvents['registry.reconciled'] = { applied: 0, superseded: 0, gone: 0, expired: 0 };

export interface OfflineDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: EventSink;
  readonly store: RegistryStore;
  readonly feed: SnapshotFeed;
  /** Held for an id while it is registered or recovered. */
  readonly lock: KeyedLock;
  readonly leases: LeaseKeeper;
  readonly online: StoreWrites;
}

/**
 * Sends the queued writes to the store: removals by generation, statuses if the same registration is still there,
 * registrations unless another process made a newer one. Retries while the store is connected; once it is lost, waits
 * for its return.
 */
export class Reconciler {
  /**
   * How many instances had their writes sent, or dropped: because a newer registration holds the id, because the
   * registration no longer exists, or because the heartbeats of a queued registration stopped.
   */
  private counts = { ...NONE };
  private readonly rounds: Rounds;

  /** @param done called when no write is waiting any more */
  constructor(
    private readonly deps: OfflineDeps,
    private readonly queue: OfflineQueue,
    private readonly done: () => void,
  ) {
    const { clock, random, feed } = deps;
    this.rounds = new Rounds({
      clock,
      run: () => this.pass(),
      delayMs: (failures) => {
        if (!feed.isTakingWrites || queue.waiting().length === 0) return undefined;
        return reconnectDelay(Math.max(1, failures), BACKOFF, random);
      },
    });
  }

  /** Starts a pass, if the store takes writes. A pass that is running also sends writes queued in the meantime. */
  run(): void {
    if (this.deps.feed.isTakingWrites) this.rounds.runNow();
  }

  /** A write is queued although the store is connected: schedules a pass. */
  wake(): void {
    this.rounds.schedule();
  }

  /** Resolves when no pass is running. */
  async idle(): Promise<void> {
    await this.rounds.running;
  }

  close(): void {
    this.rounds.stop();
  }

  /** A rejection only means a retry: the feed reports the outage. */
  private async pass(): Promise<void> {
    const { queue } = this;
    const { feed, events } = this.deps;
    try {
      await inBatches(queue.waiting(), CONCURRENCY, async (key) => {
        if (!this.rounds.stopped && feed.isTakingWrites) await this.sendAll(key);
      });
    } finally {
      if (!this.rounds.stopped && queue.waiting().length === 0) {
        const { counts } = this;
        this.counts = { ...NONE };
        this.done();
        if (Object.values(counts).some((count) => count > 0)) events.emit('registry.reconciled', counts);
      }
    }
  }

  /** Sends writes until none is waiting for the instance, including those queued in the meantime. */
  private async sendAll(key: InstanceKey): Promise<void> {
    const { queue } = this;
    for (let write = queue.get(key); write && !write.acknowledged; write = queue.get(key)) {
      try {
        await this.send(key, write);
      } finally {
        if (!this.rounds.stopped) this.deps.feed.refresh(key);
      }
      if (this.rounds.stopped) return;
    }
  }

  private send(key: InstanceKey, write: OfflineWrite): Promise<void> {
    if (write.kind === 'removal') return this.remove(key, write);
    if (write.kind === 'status') return this.setStatus(key, write);
    if (write.lease) return this.finishRegistration(key, write);
    return this.deps.lock.run(keyOf(key), () => this.register(key, write));
  }

  private async register(key: InstanceKey, write: OfflineRegistration): Promise<void> {
    const { queue } = this;
    const { leases, online, clock } = this.deps;
    // Replaced while it waited for the lock: the new one is sent next.
    if (queue.get(key) !== write) return;
    const stored = this.deps.feed.storedInstance(key);
    const own = leases.leaseOf(key);
    if (own && own.generation === stored?.generation) {
      // Sent before, lost with the store's data, and registered again by the lease keeper.
      queue.obtained(write, own);
      return;
    }
    if (!write.keep && clock.now() - write.aliveAt > write.instance.ttlMs) {
      this.drop(key, 'expired');
      return;
    }
    const claim = await this.claimOf(write, stored);
    if (claim === undefined && stored && isSuperseded(write, stored)) {
      this.yieldToNewer(key, write);
      return;
    }
    queue.send(key);
    try {
      queue.obtained(write, await online.register(write.instance, write.keep, claim));
    } catch (error) {
      queue.unanswered(key);
      if (!(error instanceof LeaseLostError)) throw error;
      this.yieldToNewer(key, write);
    }
  }

  /**
   * The generation that the registration would have got had the store been reachable. The store compares claims to find
   * the latest registration of an id. The claim is above that of the replaced registration, and above that of an
   * earlier attempt that got no answer.
   * @returns undefined if the store's generations do not follow a clock
   */
  private async claimOf(write: OfflineRegistration, stored: ServiceInstance | undefined): Promise<number | undefined> {
    const { clock, store } = this.deps;
    const now = await store.generationNow?.();
    if (now === undefined) return undefined;
    // The round trip makes the claim too early, never too late, so it cannot displace a later registration.
    const ageMs = clock.now() - write.requestedAt;
    const unanswered = stored && !isSuperseded(write, stored) ? stored.generation : 0;
    return Math.max(Math.floor(now - ageMs * 1_000), write.base + 1, unanswered);
  }

  /** A later registration holds the id: this one is registered once that one is gone. */
  private yieldToNewer(key: InstanceKey, write: OfflineRegistration): void {
    const { leases } = this.deps;
    // A removal was queued while the store was asked; it is sent next.
    if (this.queue.get(key)?.kind !== 'registration') return;
    if (write.keep && !leases.leaseOf(key)) {
      leases.keep(write.instance, { ...key, generation: 0, ttlMs: write.instance.ttlMs });
    }
    this.drop(key, 'superseded');
  }

  private async finishRegistration(key: InstanceKey, write: OfflineRegistration): Promise<void> {
    await this.applyStatus(key, write);
    if (this.queue.acknowledge(key, write)) this.counts.applied += 1;
  }

  private async remove(key: InstanceKey, write: OfflineRemoval): Promise<void> {
    const removed = await this.deps.online.deregister({ ...key, generation: write.base, ttlMs: 0 });
    if (!this.queue.acknowledge(key, write)) return;
    const stored = this.deps.feed.storedInstance(key);
    if (removed) this.counts.applied += 1;
    else this.counts[stored && stored.generation > write.base ? 'superseded' : 'gone'] += 1;
  }

  private async setStatus(key: InstanceKey, write: OfflineStatus): Promise<void> {
    const { queue } = this;
    const { leases } = this.deps;
    const stored = this.deps.feed.storedInstance(key);
    const own = write.isOwn ? leases.leaseOf(key) : undefined;
    if (!stored) {
      this.drop(key, 'gone');
    } else if (stored.generation === write.base) {
      // If the store lost the instance, the keeper sets the operator status again when it registers it.
      const isKnown = (await this.applyStatus(key, write)) || own !== undefined;
      if (queue.acknowledge(key, write)) this.counts[isKnown ? 'applied' : 'gone'] += 1;
    } else if (stored.generation === own?.generation) {
      queue.rebase(key, stored.generation);
    } else {
      this.drop(key, 'superseded');
    }
  }

  private async applyStatus(key: InstanceKey, { operator, note, health }: StatusUpdate): Promise<boolean> {
    const { store } = this.deps;
    const found = operator === undefined || (await store.setStatus(key, operator, note));
    return found && (health === undefined || store.setStatus(key, health.status, health.detail));
  }

  private drop(key: InstanceKey, why: 'superseded' | 'gone' | 'expired'): void {
    this.counts[why] += 1;
    this.queue.drop(key);
  }
}
