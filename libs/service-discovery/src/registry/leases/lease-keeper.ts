import { type Clock, type Random } from '../../common/index.js';
import {
  keyOf,
  type Change,
  type InstanceKey,
  type Lease,
  type LeaseKind,
  type OperatorStatus,
  type ServiceInstance,
  type OperatorNote,
} from '../../model/index.js';
import { type RegistryStore } from '../../store/index.js';
import { type SnapshotFeed } from '../feed/snapshot-feed.js';
import { inBatches, type KeyedLock, renewalDelay, Rounds } from '../rounds.js';

const RECOVERY_CONCURRENCY = 16;
const KINDS: readonly LeaseKind[] = ['heartbeat', 'checks'];

export interface LeaseKeeperDeps {
  clock: Clock;
  random: Random;
  /** Held for an id while it is registered or recovered. */
  lock: KeyedLock;
  feed: Pick<SnapshotFeed, 'storedInstance'>;
  /** A lost lease was replaced by this new one. */
  recovered(lease: Lease): void;
}

interface KeptLease {
  /** Registered again when the lease is lost. */
  readonly instance: ServiceInstance;
  /** The generation of the first lease: see {@link RegistryStore.recover}. */
  readonly claim: number;
  lease: Lease;
  /** What renews the lease, as last seen in the registry. Renewals as `checks` keep it a checked lease. */
  kind: LeaseKind;
  /** The operator status last seen for this lease. */
  operatorStatus: OperatorStatus;
  operatorNote?: OperatorNote;
  /** Whether a recovery got no answer and may still have taken effect. */
  inDoubt?: boolean;
  /** The operator status to set again after a recovery. */
  statusToRestore?: OperatorStatus;
}

/**
 * Renews the leases of this process in one round trip, and registers lost instances again.
 *
 * An id that another process registered later is left alone while that registration lives, for example that of our own
 * successor in a rolling update. The store decides this, since this process may have seen older data.
 */
export class LeaseKeeper {
  private readonly kept = new Map<string, KeptLease>();
  private readonly rounds: Rounds;

  /** @param intervalMs default, and for leases that are not longer: a third of the shortest lease, at most 30 s */
  constructor(
    private readonly store: RegistryStore,
    private readonly deps: LeaseKeeperDeps,
    private readonly intervalMs?: number,
  ) {
    this.rounds = new Rounds({
      clock: deps.clock,
      run: () => this.renewAll(),
      delayMs: () => (this.kept.size > 0 ? this.delayMs(this.shortestTtlMs()) : undefined),
    });
  }

  /** The leases that are renewed, in order of registration. */
  leases(): readonly Lease[] {
    return [...this.kept.values()].map(({ lease }) => lease);
  }

  leaseOf(key: InstanceKey): Lease | undefined {
    return this.kept.get(keyOf(key))?.lease;
  }

  /**
   * Whether a recovery is running or got no answer, so that the store may hold a registration of unknown generation.
   */
  isInDoubt(key: InstanceKey): boolean {
    return this.kept.get(keyOf(key))?.inDoubt === true;
  }

  /**
   * Renews the lease of a registration from now on, instead of that of an earlier one under its id.
   * @param claim the generation of its first lease: see {@link RegistryStore.recover}
   */
  keep(instance: ServiceInstance, lease: Lease, claim = lease.generation): void {
    this.kept.set(keyOf(lease), keptLease(instance, lease, claim));
    // A replacement keeps maintenance, and the change that says so may have arrived before the lease.
    const shown = this.deps.feed.storedInstance(lease);
    if (shown) this.observe(shown);
    // A round is already scheduled for the other leases.
    this.rounds.runWithin(this.delayMs(lease.ttlMs));
  }

  /** Stops renewing a lease. */
  forget(key: InstanceKey): void {
    this.kept.delete(keyOf(key));
    if (this.kept.size === 0) this.rounds.cancel();
  }

  /**
   * Follows the store's changes: remembers the operator status of own instances, so that a recovery can set it again,
   * and recovers at once an instance that is gone without having been deregistered.
   */
  follow(change: Change): void {
    switch (change.type) {
      case 'put':
        this.observe(change.instance);
        break;
      case 'remove':
        if (change.reason === 'expired' && this.leaseOf(change.key)) this.renewNow();
        break;
      case 'reset': {
        const present = new Map(change.instances.map((instance) => [keyOf(instance), instance]));
        const own = this.leases().map((lease) => present.get(keyOf(lease)));
        for (const instance of own) if (instance) this.observe(instance);
        if (own.includes(undefined)) this.renewNow();
        break;
      }
      case 'renewed':
      case 'hold':
      case 'split':
        break;
    }
  }

  /** Resolves when no round and no registration is running. */
  async idle(): Promise<void> {
    await this.deps.lock.idle();
    while (this.rounds.running) await this.rounds.running;
  }

  stop(): void {
    this.rounds.stop();
  }

  /** Starts a round now, or right after the current one. Called when a lease may have been lost. */
  renewNow(): void {
    if (this.kept.size > 0) this.rounds.runNow();
  }

  private observe(instance: ServiceInstance): void {
    const kept = this.kept.get(keyOf(instance));
    if (kept?.lease.generation !== instance.generation) return;
    kept.operatorStatus = instance.operatorStatus;
    kept.operatorNote = instance.operatorNote;
    kept.kind = instance.lease;
  }

  private shortestTtlMs(): number {
    let shortest = Number.POSITIVE_INFINITY;
    for (const { lease } of this.kept.values()) shortest = Math.min(shortest, lease.ttlMs);
    return shortest;
  }

  private delayMs(shortestTtlMs: number): number {
    const { intervalMs, rounds } = this;
    return renewalDelay({ shortestTtlMs, intervalMs }, rounds.failures, this.deps.random);
  }

  /** A rejection only brings the next round forward: the feed reports the outage. */
  private async renewAll(): Promise<void> {
    const answers = (await Promise.all(KINDS.map((kind) => this.renewAllOf(kind)))).flat();
    const work = answers.filter((answer) => !answer.held || answer.entry.statusToRestore !== undefined);
    await inBatches(work, RECOVERY_CONCURRENCY, (answer) =>
      answer.held
        ? this.restoreStatus(answer.entry)
        : this.deps.lock.run(keyOf(answer.entry.lease), () => this.recover(answer.entry)),
    );
  }

  private async renewAllOf(kind: LeaseKind): Promise<{ readonly entry: KeptLease; readonly held: boolean }[]> {
    const entries = [...this.kept.values()].filter((entry) => entry.kind === kind);
    if (entries.length === 0) return [];
    const leases = entries.map(({ lease }) => lease);
    const held = await this.store.renew(leases, kind);
    return entries.map((entry, index) => ({ entry, held: held[index] === true }));
  }

  private async recover(entry: KeptLease): Promise<void> {
    const id = keyOf(entry.lease);
    if (this.kept.get(id) !== entry) return;
    entry.inDoubt = true;
    const lease = await this.store.recover(entry.instance, entry.lease.ttlMs, entry.claim);
    entry.inDoubt = false;
    if (!lease) return;
    if (this.kept.get(id) !== entry) {
      // Deregistered during the recovery.
      await this.store.remove(lease);
      return;
    }
    entry.lease = lease;
    entry.kind = entry.instance.lease;
    if (entry.operatorStatus !== 'up') entry.statusToRestore = entry.operatorStatus;
    this.deps.recovered(lease);
    await this.restoreStatus(entry);
  }

  private async restoreStatus(entry: KeptLease): Promise<void> {
    if (entry.statusToRestore === undefined) return;
    await this.store.setStatus(entry.lease, entry.statusToRestore, entry.operatorNote);
    entry.statusToRestore = undefined;
  }
}

function keptLease(instance: ServiceInstance, lease: Lease, claim: number): KeptLease {
  return { instance, claim, lease, kind: instance.lease, operatorStatus: 'up' };
}
