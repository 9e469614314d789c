import { reconnectDelay, type Clock, type Random } from '../../common/index.js';
import { keyOf, type Change, type InstanceKey, type Lease, type ServiceInstance } from '../../model/index.js';
import { type RegistryStore } from '../../store/index.js';
import { type SnapshotFeed } from '../feed/snapshot-feed.js';
import { inBatches, Rounds } from '../rounds.js';

/** How long a renewal waits to be batched with others: 1 s, for short leases a twentieth of the lease. */
const LONGEST_WAIT_MS = 1_000;
const WAIT_SHARE = 1 / 20;
/** The delay after a failed renewal. */
const BACKOFF = { firstMs: 1_000, longestMs: 10_000 };
const RECOVERY_CONCURRENCY = 16;

export interface CheckedLeasesDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Pick<RegistryStore, 'recover'>;
  readonly feed: Pick<SnapshotFeed, 'isTakingWrites' | 'isForgotten'>;
  /** While the store takes no writes, it renews only the leases of instances in the offline queue. */
  readonly target: Pick<RegistryStore, 'renew'>;
  /** A lost lease was replaced by this new one. */
  recovered(lease: Lease): void;
}

/**
 * Renews the leases of instances that passed a health check of this process, batched to one round trip per second.
 * Renewals that failed are retried, and sent again once the store is back. This process also registers again an
 * instance that the store lost, since no other process would.
 */
export class CheckedLeases {
  private readonly due = new Map<string, ServiceInstance>();
  /** The leases that this process renews; `endsAt` in monotonic milliseconds. */
  private readonly kept = new Map<string, { readonly instance: ServiceInstance; readonly endsAt: number }>();
  private readonly rounds: Rounds;

  constructor(private readonly deps: CheckedLeasesDeps) {
    const { clock, random, feed } = deps;
    this.rounds = new Rounds({
      clock,
      run: () => this.renewDue(),
      delayMs: (failures) => {
        if (failures > 0) return reconnectDelay(failures, BACKOFF, random);
        return this.due.size > 0 && feed.isTakingWrites ? LONGEST_WAIT_MS : undefined;
      },
    });
  }

  /** Call it for a registration that the snapshot does not show: if it is lost, no other process can recover it. */
  unseen(instance: ServiceInstance): void {
    if (instance.lease !== 'checks' || this.rounds.stopped) return;
    this.forget(instance);
    this.keep(instance);
  }

  /** Called when an instance passes a health check. */
  passed(instance: ServiceInstance): void {
    if (instance.lease !== 'checks' || this.rounds.stopped || this.keepsLater(instance)) return;
    this.due.set(keyOf(instance), instance);
    this.keep(instance);
    if (this.rounds.failures === 0) this.rounds.runWithin(Math.min(LONGEST_WAIT_MS, instance.ttlMs * WAIT_SHARE));
  }

  /** Follows the store's changes, and recovers at once the instances that the store lost. */
  follow(change: Change): void {
    if (change.type === 'remove') this.forget(change.key);
    if (change.type === 'put' && !this.keeps(change.instance)) this.replace(change.instance);
    if (change.type === 'reset') this.compare(change.instances);
  }

  /** The store takes writes again: sends everything that is due now. */
  sendNow(): void {
    this.rounds.failures = 0;
    if (this.due.size > 0) this.rounds.runWithin(0);
  }

  stop(): void {
    this.rounds.stop();
  }

  private compare(instances: readonly ServiceInstance[]): void {
    const present = new Map(instances.map((instance) => [keyOf(instance), instance]));
    const now = this.deps.clock.now();
    for (const [id, { instance, endsAt }] of this.kept) {
      const stored = present.get(id);
      if (stored && this.keeps(stored)) continue;
      if (!stored && endsAt > now && this.deps.feed.isForgotten(instance)) this.due.set(id, instance);
      else this.forget(instance);
    }
    this.sendNow();
  }

  /** Whether `stored` is the registration whose lease this process renews, and checks still keep it. */
  private keeps(stored: ServiceInstance): boolean {
    return stored.lease === 'checks' && this.kept.get(keyOf(stored))?.instance.generation === stored.generation;
  }

  /** Keeps a replacement for its full lease, so that it is recovered even before it has passed a check. */
  private replace(instance: ServiceInstance): void {
    const id = keyOf(instance);
    const wasKept = this.kept.has(id);
    this.forget(instance);
    if (wasKept && instance.lease === 'checks') this.keep(instance);
  }

  private keep(instance: ServiceInstance): void {
    this.kept.set(keyOf(instance), { instance, endsAt: this.deps.clock.now() + instance.ttlMs });
  }

  private keepsLater(instance: ServiceInstance): boolean {
    const kept = this.kept.get(keyOf(instance));
    return kept !== undefined && kept.instance.generation > instance.generation;
  }

  private forget(key: InstanceKey): void {
    this.kept.delete(keyOf(key));
    this.due.delete(keyOf(key));
  }

  /** A rejection only means a retry: the feed reports the outage. */
  private async renewDue(): Promise<void> {
    const sent = new Map(this.due);
    await this.renew([...sent.values()]);
    // While the store takes no writes, only instances in the offline queue were renewed.
    if (!this.deps.feed.isTakingWrites) return;
    for (const [id, instance] of sent) if (this.due.get(id) === instance) this.due.delete(id);
  }

  private async renew(instances: readonly ServiceInstance[]): Promise<void> {
    const held = await this.deps.target.renew(instances, 'checks');
    const lost = instances.filter((_, index) => held[index] !== true);
    await inBatches(lost, RECOVERY_CONCURRENCY, (instance) => this.recover(instance));
  }

  private async recover(instance: ServiceInstance): Promise<void> {
    // Not lost by the store: it ended or was replaced, or the loss will show at the next reset.
    if (!this.deps.feed.isForgotten(instance)) return;
    const lease = await this.deps.store.recover(instance, instance.ttlMs, instance.generation);
    if (lease) this.deps.recovered(lease);
  }
}
