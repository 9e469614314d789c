import { type LoadTracker } from '../../balancing/index.js';
import { reasonOfConnection, reconnectDelay } from '../../common/index.js';
import { type InstanceKey, mayBeCalled, type ServiceInstance } from '../../model/index.js';
import { type BreakerDeps } from './breakers.js';
import { type InstanceChanges } from './instance-changes.js';

/** Each wait is twice the one before, with jitter down to half of it. */
const RETRY = { firstMs: 2_000, longestMs: 30_000 };
/**
 * Waits while the service recovers from an outage of all its instances; that phase lasts for the longest wait above.
 */
const RETRY_IN_RECOVERY = { firstMs: 1_000, longestMs: 1_000 };
const RECOVERY_MS = RETRY.longestMs;

const NONE: readonly string[] = [];

/** An instance that calls failed to connect to and have not reached since. */
export interface UnreachableView {
  readonly instanceId: string;
  /** Error of the latest attempt, such as `connect ECONNREFUSED 10.0.0.7:8080`. */
  readonly reason: string;
  /** When the first of these attempts failed, in milliseconds since the Unix epoch. */
  readonly since: number;
}

interface Absence {
  /** Consecutive attempts that failed to connect. */
  readonly failures: number;
  readonly until: number;
  readonly reason: string;
  readonly since: number;
}

/**
 * Instances that connections could not be opened to. A single failure suspends picks of an instance, for exponentially
 * growing times: a process that is gone refuses everyone, so there is no threshold to count to (gRPC's
 * `TRANSIENT_FAILURE`, Finagle's fail-fast). They are avoided rather than refused, since a call may as well try if no
 * other instance is left. No timers: the next pick notices that a wait is over.
 *
 * When all instances were unreachable and one answers, the cause is over for the others too, or will be soon. A growing
 * share of them is tried within the next second, and those that still refuse about once a second from then on.
 * Otherwise the first one would receive all calls until the waits that grew during the outage are over.
 */
export class UnreachableInstances {
  private readonly absences = new Map<string, Absence>();
  /** Instances being avoided: one set for good, so that picks allocate none. */
  private readonly ids = new Set<string>();
  private firstEnd = Number.POSITIVE_INFINITY;
  private instances: readonly ServiceInstance[] = [];
  private recoversUntil = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly service: string,
    private readonly deps: BreakerDeps,
    private readonly loads: Pick<LoadTracker, 'forgive'>,
  ) {}

  failed(instanceId: string, error: unknown, now: number): void {
    const known = this.absences.get(instanceId);
    // Attempts that were under way when the first one failed add no information.
    if (known && now < known.until) return;
    const failures = (known?.failures ?? 0) + 1;
    const limits = now < this.recoversUntil ? RETRY_IN_RECOVERY : RETRY;
    const avoidedForMs = reconnectDelay(failures, limits, this.deps.random);
    const reason = reasonOfConnection(error);
    const since = known?.since ?? this.deps.clock.epoch();
    this.avoid(instanceId, { failures, until: now + avoidedForMs, reason, since });
    this.deps.events.emit('instance.unreachable', { key: this.keyOf(instanceId), reason, avoidedForMs, failures });
  }

  /**
   * Records that an instance answered; called for each response.
   * @returns the other instances, if all were unreachable until now
   */
  reached(instanceId: string, now: number): readonly string[] {
    if (this.absences.size === 0 || !this.absences.has(instanceId)) return NONE;
    const wereAllAbsent = this.areAllAbsent();
    this.forget(instanceId);
    this.deps.events.emit('instance.reached', { key: this.keyOf(instanceId) });
    if (!wereAllAbsent) return NONE;
    this.recover(now);
    return [...this.absences.keys()];
  }

  /** Drops instances that are gone, that registered again (most likely restarted), or that health checks reach. */
  update(instances: readonly ServiceInstance[], { left, replaced, recovered }: InstanceChanges): void {
    this.instances = instances;
    for (const { instanceId } of [...left, ...replaced, ...recovered]) this.forget(instanceId);
  }

  /** Ids to avoid: always the same set; undefined if empty. @param now `Clock.now()` */
  at(now = this.deps.clock.now()): ReadonlySet<string> | undefined {
    if (this.ids.size > 0) this.catchUp(now);
    return this.ids.size > 0 ? this.ids : undefined;
  }

  views(): UnreachableView[] {
    return [...this.absences].map(([instanceId, { reason, since }]) => ({ instanceId, reason, since }));
  }

  private areAllAbsent(): boolean {
    return this.instances.every((instance) => !mayBeCalled(instance) || this.absences.has(instance.instanceId));
  }

  private recover(now: number): void {
    this.recoversUntil = now + RECOVERY_MS;
    for (const [instanceId, absence] of this.absences) {
      const soon = now + RETRY_IN_RECOVERY.longestMs * this.deps.random();
      this.avoid(instanceId, { ...absence, failures: 0, until: Math.min(absence.until, soon) });
    }
  }

  private avoid(instanceId: string, absence: Absence): void {
    this.absences.set(instanceId, absence);
    this.ids.add(instanceId);
    this.firstEnd = Math.min(this.firstEnd, absence.until);
  }

  private forget(instanceId: string): void {
    this.ids.delete(instanceId);
    this.absences.delete(instanceId);
  }

  private keyOf(instanceId: string): InstanceKey {
    return { serviceName: this.service, instanceId };
  }

  private catchUp(now: number): void {
    if (now < this.firstEnd) return;
    this.firstEnd = Number.POSITIVE_INFINITY;
    for (const id of this.ids) {
      const { until } = this.absences.get(id)!;
      if (now < until) {
        this.firstEnd = Math.min(this.firstEnd, until);
        continue;
      }
      this.ids.delete(id);
      // Reset the latency, or a latency-based strategy would keep avoiding the instance.
      this.loads.forgive(id);
    }
  }
}
