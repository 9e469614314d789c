import { reconnectDelay, type Clock, type Random, type Timer } from '../common/index.js';
import { keyOf, type Change, type InstanceKey, type Lease, type ServiceInstance } from '../model/index.js';
import { type RegistryStore } from '../store/index.js';
import { inBatches } from './batches.js';

/** How long a renewal waits for others, so that they share a round trip; a short lease waits for a part of its length. */
const LONGEST_WAIT_MS = 1_000;
const WAIT_SHARE = 1 / 20;
/** The waits after renewals that the store did not take. */
const BACKOFF = { firstMs: 1_000, longestMs: 10_000 };
const RECOVERY_CONCURRENCY = 16;

export interface CheckedLeasesDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Pick<RegistryStore, 'recover'>;
  /** Renews leases that checks keep; while the store takes no writes, those that wait for it. */
  renew(leases: readonly Lease[]): Promise<readonly boolean[]>;
  isTakingWrites(): boolean;
  /** Whether the store has lost an instance that the snapshot still shows. */
  isForgotten(key: InstanceKey): boolean;
  /** A lost lease was replaced by this new one. */
  recovered(lease: Lease): void;
}

/**
 * Renews the leases that health checks of this process keep, all that passed within a second in one round trip. What the
 * store did not take is sent again, also once it is back. An instance that the store lost has no other process that would
 * register it again, so this one does.
 */
export class CheckedLeases {
  private readonly due = new Map<string, ServiceInstance>();
  /** What this process renews, with the end of the lease in monotonic milliseconds. */
  private readonly kept = new Map<string, { readonly instance: ServiceInstance; readonly endsAt: number }>();
  private timer: Timer | undefined;
  private timerDue = Number.POSITIVE_INFINITY;
  private sending = false;
  private failures = 0;
  private stopped = false;

  constructor(private readonly deps: CheckedLeasesDeps) {}

  /** A check of an instance has passed. */
  passed(instance: ServiceInstance): void {
    if (instance.lease !== 'checks' || this.stopped) return;
    const endsAt = this.deps.clock.now() + instance.ttlMs;
    this.due.set(keyOf(instance), instance);
    this.kept.set(keyOf(instance), { instance, endsAt });
    if (this.failures === 0) this.arm(Math.min(LONGEST_WAIT_MS, instance.ttlMs * WAIT_SHARE));
  }

  /** Takes in what the store said, and brings back at once what it has lost. */
  follow(change: Change): void {
    if (change.type === 'remove') this.forget(change.key);
    if (change.type === 'put' && !this.keeps(change.instance)) this.forget(change.instance);
    if (change.type === 'reset') this.compare(change.instances);
  }

  /** The store takes writes again: nothing waits any longer. */
  hurry(): void {
    this.failures = 0;
    if (this.due.size > 0) this.arm(0);
  }

  stop(): void {
    this.stopped = true;
    this.disarm();
  }

  private compare(instances: readonly ServiceInstance[]): void {
    const present = new Map(instances.map((instance) => [keyOf(instance), instance]));
    const now = this.deps.clock.now();
    for (const [id, { instance, endsAt }] of this.kept) {
      const stored = present.get(id);
      if (stored && this.keeps(stored)) continue;
      if (!stored && endsAt > now && this.deps.isForgotten(instance)) this.due.set(id, instance);
      else this.forget(instance);
    }
    this.hurry();
  }

  /** Whether what the store shows is what checks of this process renew: the same registration, without a heartbeat so far. */
  private keeps(stored: ServiceInstance): boolean {
    return stored.lease === 'checks' && this.kept.get(keyOf(stored))?.instance.generation === stored.generation;
  }

  private forget(key: InstanceKey): void {
    this.kept.delete(keyOf(key));
    this.due.delete(keyOf(key));
  }

  private arm(ms: number): void {
    const due = this.deps.clock.now() + ms;
    if (this.sending || this.stopped || due >= this.timerDue) return;
    this.disarm();
    this.timerDue = due;
    this.timer = this.deps.clock.setTimer(() => void this.send(), ms, { keepAlive: false });
  }

  private disarm(): void {
    this.timer?.cancel();
    this.timerDue = Number.POSITIVE_INFINITY;
  }

  /** Never rejects. */
  private async send(): Promise<void> {
    this.disarm();
    this.sending = true;
    const sent = new Map(this.due);
    try {
      await this.renew([...sent.values()]);
      this.failures = 0;
      // While the store takes no writes, only what waits for it has been renewed.
      if (this.deps.isTakingWrites()) this.settle(sent);
    } catch {
      // The feed reports the outage; here it only means to try again.
      this.failures += 1;
    }
    this.sending = false;
    if (this.failures > 0) this.arm(reconnectDelay(this.failures, BACKOFF, this.deps.random));
    else if (this.due.size > 0 && this.deps.isTakingWrites()) this.arm(LONGEST_WAIT_MS);
  }

  private settle(sent: ReadonlyMap<string, ServiceInstance>): void {
    for (const [id, instance] of sent) if (this.due.get(id) === instance) this.due.delete(id);
  }

  private async renew(instances: readonly ServiceInstance[]): Promise<void> {
    const held = await this.deps.renew(instances);
    const lost = instances.filter((_, index) => held[index] !== true);
    await inBatches(lost, RECOVERY_CONCURRENCY, (instance) => this.recover(instance));
  }

  private async recover(instance: ServiceInstance): Promise<void> {
    // It ended or was replaced, which will be told; or the store lost it, which will show.
    if (!this.deps.isForgotten(instance)) return;
    const lease = await this.deps.store.recover(instance, instance.ttlMs, instance.generation);
    if (lease) this.deps.recovered(lease);
  }
}
