import { LeaseLostError, type Clock, type Random, type Timer } from '../common/index.js';
import {
  keyOf,
  type Change,
  type InstanceKey,
  type Lease,
  type LeaseKind,
  type OperatorStatus,
  type ServiceInstance,
  type OperatorNote,
} from '../model/index.js';
import { type RegistryStore } from '../store/index.js';
import { inBatches } from './batches.js';
import { KeyedLock } from './keyed-lock.js';
import { renewalDelay } from './renewal-delay.js';

const RECOVERY_CONCURRENCY = 16;
const KINDS: readonly LeaseKind[] = ['heartbeat', 'checks'];

export interface LeaseKeeperDeps {
  clock: Clock;
  random: Random;
  /** What the registry shows under a key now. */
  current(key: InstanceKey): ServiceInstance | undefined;
  /** A lost lease was replaced by this new one. */
  recovered(lease: Lease): void;
}

interface KeptLease {
  /** What is registered again when the lease is lost. */
  readonly instance: ServiceInstance;
  /** The generation of the first lease: see {@link RegistryStore.recover}. */
  readonly claim: number;
  lease: Lease;
  /** What renews the lease, as the registry showed it last. Where it is checks, this process leaves it at that. */
  kind: LeaseKind;
  /** The operator's word that was last seen for this lease. */
  operatorStatus: OperatorStatus;
  operatorNote?: OperatorNote;
  /** Whether a recovery went unanswered: then it may have taken effect all the same. */
  inDoubt?: boolean;
  /** The operator's word that is yet to be said again after a recovery. */
  owedStatus?: OperatorStatus;
}

/**
 * Renews the leases of this process, all in one round trip, and registers again what was lost. Rounds never overlap.
 * While the store cannot be reached it goes on trying, first after 1 s, then at growing steps up to the interval.
 *
 * An id that was registered by somebody later is left alone for as long as that lives, such as by our own successor in a
 * rolling update. The store decides, since what this process has seen may be older.
 */
export class LeaseKeeper {
  private readonly kept = new Map<string, KeptLease>();
  private readonly lock = new KeyedLock();
  private timer: Timer | undefined;
  private timerDue = Number.POSITIVE_INFINITY;
  private round: Promise<void> | undefined;
  private roundWanted = false;
  private failures = 0;
  private stopped = false;

  /** @param intervalMs how often; left out, or too long for a lease: a third of the shortest lease, at most 30 s */
  constructor(
    private readonly store: RegistryStore,
    private readonly deps: LeaseKeeperDeps,
    private readonly intervalMs?: number,
  ) {}

  /** The leases that are renewed, in order of registration. */
  leases(): readonly Lease[] {
    return [...this.kept.values()].map(({ lease }) => lease);
  }

  leaseOf(key: InstanceKey): Lease | undefined {
    return this.kept.get(keyOf(key))?.lease;
  }

  /** Whether a recovery is under way or went unanswered: a registration of ours that nobody knows of may be there. */
  isInDoubt(key: InstanceKey): boolean {
    return this.kept.get(keyOf(key))?.inDoubt === true;
  }

  /**
   * Puts an instance into the store. What is registered or recovered under one id goes one after the other, so that the
   * last call wins.
   * @param keep whether to renew the lease from now on; if not, an earlier lease under the id is no longer renewed
   * @param claim see {@link RegistryStore.recover}; left out: it is a new registration
   * @throws LeaseLostError where the id was registered later than the claim
   */
  register(instance: ServiceInstance, keep: boolean, claim?: number): Promise<Lease> {
    const id = keyOf(instance);
    return this.lock.run(id, async () => {
      const { ttlMs } = instance;
      const lease =
        claim === undefined ? await this.store.put(instance, ttlMs) : await this.store.recover(instance, ttlMs, claim);
      if (!lease) throw new LeaseLostError(instance.serviceName, instance.instanceId);
      if (keep) {
        this.kept.set(id, keptLease(instance, lease, claim ?? lease.generation));
        // Maintenance outlives a replacement, and the change that says so may have come before the lease.
        const shown = this.deps.current(lease);
        if (shown) this.observe(shown);
        // The others have a timer already.
        this.schedule(lease.ttlMs);
      } else {
        this.forget(instance);
      }
      return lease;
    });
  }

  /** Takes an instance over that somebody else holds the id of: it is registered once that one is gone. */
  adopt(instance: ServiceInstance, { serviceName, instanceId }: InstanceKey): void {
    const lease = { serviceName, instanceId, generation: 0, ttlMs: instance.ttlMs };
    this.kept.set(keyOf(lease), keptLease(instance, lease, 0));
    this.schedule();
  }

  /** Stops renewing. */
  forget(key: InstanceKey): void {
    this.kept.delete(keyOf(key));
    if (this.kept.size === 0) this.disarm();
  }

  /**
   * Looks at what happens in the registry: remembers the operator's word on own instances, so that a recovery can say
   * it again, and registers at once what is missing though nobody removed it.
   */
  follow(change: Change): void {
    switch (change.type) {
      case 'put':
        this.observe(change.instance);
        break;
      case 'remove':
        if (change.reason === 'expired' && this.leaseOf(change.key)) this.hurry();
        break;
      case 'reset': {
        const present = new Map(change.instances.map((instance) => [keyOf(instance), instance]));
        const own = this.leases().map((lease) => present.get(keyOf(lease)));
        for (const instance of own) if (instance) this.observe(instance);
        if (own.includes(undefined)) this.hurry();
        break;
      }
      case 'renewed':
      case 'hold':
        break;
    }
  }

  /** Resolves when no round is under way, and nothing is being registered. */
  async idle(): Promise<void> {
    await this.lock.idle();
    while (this.round) await this.round;
  }

  stop(): void {
    this.stopped = true;
    this.disarm();
  }

  private observe(instance: ServiceInstance): void {
    const kept = this.kept.get(keyOf(instance));
    if (kept?.lease.generation !== instance.generation) return;
    kept.operatorStatus = instance.operatorStatus;
    kept.operatorNote = instance.operatorNote;
    kept.kind = instance.lease;
  }

  /** Begins a round at once, or right after the one under way, as when there is reason to think that a lease was lost. */
  hurry(): void {
    if (this.round) this.roundWanted = true;
    else if (this.kept.size > 0 && !this.stopped) this.beginRound();
  }

  private schedule(shortestTtlMs = this.shortestTtlMs()): void {
    if (this.round || this.stopped || this.kept.size === 0) return;
    const due = this.deps.clock.now() + this.delayMs(shortestTtlMs);
    if (due >= this.timerDue) return;
    this.disarm();
    this.timerDue = due;
    this.timer = this.deps.clock.setTimer(() => this.beginRound(), this.timerDue - this.deps.clock.now(), {
      keepAlive: false,
    });
  }

  private disarm(): void {
    this.timer?.cancel();
    this.timerDue = Number.POSITIVE_INFINITY;
  }

  private shortestTtlMs(): number {
    let shortest = Number.POSITIVE_INFINITY;
    for (const { lease } of this.kept.values()) shortest = Math.min(shortest, lease.ttlMs);
    return shortest;
  }

  private delayMs(shortestTtlMs: number): number {
    const { intervalMs, failures } = this;
    return renewalDelay({ shortestTtlMs, intervalMs, failures }, this.deps.random);
  }

  private beginRound(): void {
    this.disarm();
    this.roundWanted = false;
    this.round = this.renewAll().then(
      () => this.endRound(0),
      // Whoever watches the registry reports the outage; here it only means to try again sooner.
      () => this.endRound(this.failures + 1),
    );
  }

  private endRound(failures: number): void {
    this.failures = failures;
    this.round = undefined;
    if (this.roundWanted && failures === 0) this.hurry();
    else this.schedule();
  }

  private async renewAll(): Promise<void> {
    const answers = (await Promise.all(KINDS.map((kind) => this.renewAllOf(kind)))).flat();
    const work = answers.filter((answer) => !answer.held || answer.entry.owedStatus !== undefined);
    await inBatches(work, RECOVERY_CONCURRENCY, (answer) =>
      answer.held
        ? this.payStatus(answer.entry)
        : this.lock.run(keyOf(answer.entry.lease), () => this.recover(answer.entry)),
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
      // Deregistered while we registered again.
      await this.store.remove(lease);
      return;
    }
    entry.lease = lease;
    entry.kind = entry.instance.lease;
    if (entry.operatorStatus !== 'up') entry.owedStatus = entry.operatorStatus;
    this.deps.recovered(lease);
    await this.payStatus(entry);
  }

  private async payStatus(entry: KeptLease): Promise<void> {
    if (entry.owedStatus === undefined) return;
    await this.store.setStatus(entry.lease, entry.owedStatus, entry.operatorNote);
    entry.owedStatus = undefined;
  }
}

function keptLease(instance: ServiceInstance, lease: Lease, claim: number): KeptLease {
  return { instance, claim, lease, kind: instance.lease, operatorStatus: 'up' };
}
