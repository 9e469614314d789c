import { messageOf, reconnectDelay } from '../../common/index.js';
import { type InstanceKey } from '../../model/index.js';
import { type BreakerDeps } from './breakers.js';
import { type InstanceChanges } from './instance-changes.js';

/** Between half of a step and all of it, and each step twice the one before. */
const RETRY = { firstMs: 2_000, longestMs: 30_000 };

interface Absence {
  /** Attempts in a row that got no connection. */
  failures: number;
  until: number;
}

/**
 * Instances to which no connection could be opened. The first attempt that finds out is the last one for a while, at
 * growing steps: a process that is gone refuses everybody, so there is nothing to count up to a threshold for (gRPC's
 * `TRANSIENT_FAILURE`, Finagle's fail-fast). They are avoided rather than refused, as where nobody else is left a call may
 * as well try. There is no timer: what is over is seen when somebody asks.
 */
export class UnreachableInstances {
  private readonly absences = new Map<string, Absence>();
  /** Those whose absence is not over: one set for good, so that a pick makes none. */
  private readonly ids = new Set<string>();
  private firstEnd = Number.POSITIVE_INFINITY;

  constructor(
    private readonly service: string,
    private readonly deps: BreakerDeps,
  ) {}

  failed(instanceId: string, error: unknown, now: number): void {
    const known = this.absences.get(instanceId);
    // Others that were on their way when the first one failed tell nothing new.
    if (known && now < known.until) return;
    const failures = (known?.failures ?? 0) + 1;
    const avoidedForMs = reconnectDelay(failures, RETRY, this.deps.random);
    const until = now + avoidedForMs;
    this.absences.set(instanceId, { failures, until });
    this.ids.add(instanceId);
    this.firstEnd = Math.min(this.firstEnd, until);
    const reason = messageOf((error as Partial<Error>).cause ?? error);
    this.deps.events.emit('instance.unreachable', { key: this.keyOf(instanceId), reason, avoidedForMs, failures });
  }

  /** It has answered. Asked at each answer. */
  reached(instanceId: string): void {
    if (this.absences.size === 0 || !this.forget(instanceId)) return;
    this.deps.events.emit('instance.reached', { key: this.keyOf(instanceId) });
  }

  /**
   * Forgets those that are gone, those that were registered anew, since most likely they were started again, and those that
   * health checks reach.
   */
  update({ left, replaced, recovered }: InstanceChanges): void {
    for (const { instanceId } of [...left, ...replaced, ...recovered]) this.forget(instanceId);
  }

  /** The ids of those to avoid: always the same set; undefined where it is empty. @param now `Clock.now()` */
  at(now = this.deps.clock.now()): ReadonlySet<string> | undefined {
    if (this.ids.size > 0) this.catchUp(now);
    return this.ids.size > 0 ? this.ids : undefined;
  }

  /** @returns whether anything was known of it */
  private forget(instanceId: string): boolean {
    this.ids.delete(instanceId);
    return this.absences.delete(instanceId);
  }

  private keyOf(instanceId: string): InstanceKey {
    return { serviceName: this.service, instanceId };
  }

  private catchUp(now: number): void {
    if (now < this.firstEnd) return;
    this.firstEnd = Number.POSITIVE_INFINITY;
    for (const id of this.ids) {
      const { until } = this.absences.get(id)!;
      if (now < until) this.firstEnd = Math.min(this.firstEnd, until);
      else this.ids.delete(id);
    }
  }
}
