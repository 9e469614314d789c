import { type LoadTracker } from '../../balancing/index.js';
import { messageOf, reconnectDelay } from '../../common/index.js';
import { type InstanceKey, mayBeCalled, type ServiceInstance } from '../../model/index.js';
import { type BreakerDeps } from './breakers.js';
import { type InstanceChanges } from './instance-changes.js';

/** Between half of a step and all of it, and each step twice the one before. */
const RETRY = { firstMs: 2_000, longestMs: 30_000 };
/** The same while the service recovers from an outage of all its instances, for as long as the longest wait would be. */
const RETRY_IN_RECOVERY = { firstMs: 1_000, longestMs: 1_000 };
const RECOVERY_MS = RETRY.longestMs;

const NONE: readonly string[] = [];

/** An instance that calls could not connect to, and have not reached since. */
export interface UnreachableView {
  readonly instanceId: string;
  /** What the last attempt met, such as `connect ECONNREFUSED 10.0.0.7:8080`. */
  readonly reason: string;
  /** When the first of these attempts failed, in milliseconds since the Unix epoch. */
  readonly since: number;
}

interface Absence {
  /** Attempts in a row that got no connection. */
  readonly failures: number;
  readonly until: number;
  readonly reason: string;
  readonly since: number;
}

/**
 * Instances to which no connection could be opened. The first attempt that finds out is the last one for a while, at
 * growing steps: a process that is gone refuses everybody, so there is nothing to count up to a threshold for (gRPC's
 * `TRANSIENT_FAILURE`, Finagle's fail-fast). They are avoided rather than refused, as a call may as well try where no other
 * instance is left. There is no timer: what is over is seen at the next pick.
 *
 * When all were unreachable and one answers, the cause is over for the others, too, or will be soon. A growing share of them
 * is tried within the next second, and those that still refuse about once a second from then on: otherwise the first one
 * would take all calls until waits are over that grew through the outage.
 */
export class UnreachableInstances {
  private readonly absences = new Map<string, Absence>();
  /** Those whose absence is not over: one set for good, so that a pick makes none. */
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
    // Others that were on their way when the first one failed tell nothing new.
    if (known && now < known.until) return;
    const failures = (known?.failures ?? 0) + 1;
    const limits = now < this.recoversUntil ? RETRY_IN_RECOVERY : RETRY;
    const avoidedForMs = reconnectDelay(failures, limits, this.deps.random);
    const reason = messageOf((error as Partial<Error>).cause ?? error);
    const since = known?.since ?? this.deps.clock.epoch();
    this.avoid(instanceId, { failures, until: now + avoidedForMs, reason, since });
    this.deps.events.emit('instance.unreachable', { key: this.keyOf(instanceId), reason, avoidedForMs, failures });
  }

  /**
   * It has answered. Told at each answer.
   * @returns the others, where all were unreachable until now
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

  /**
   * Forgets those that are gone, those that were registered again, since most likely they were restarted, and those that
   * health checks reach.
   */
  update(instances: readonly ServiceInstance[], { left, replaced, recovered }: InstanceChanges): void {
    this.instances = instances;
    for (const { instanceId } of [...left, ...replaced, ...recovered]) this.forget(instanceId);
  }

  /** The ids of those to avoid: always the same set; undefined where it is empty. @param now `Clock.now()` */
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
      // Else a strategy that goes by latency would go on to avoid it.
      this.loads.forgive(id);
    }
  }
}
