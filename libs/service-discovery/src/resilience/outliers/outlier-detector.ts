import { systemClock, systemRandom, type Clock, type OutcomeClass, type Random } from '../../common/index.js';
import { type EjectionReason } from '../../model/index.js';
import {
  resolveOutlierDetectionOptions,
  type OutlierDetectionOptions,
  type ResolvedOutlierDetectionOptions,
} from './outlier-detection-options.js';
import { type OutlierListener } from './outlier-events.js';
import { OutlierRecord } from './outlier-record.js';
import { findOutliers, type OutlierVerdict } from './outlier-rules.js';

export interface OutlierDetectorDeps extends OutlierListener {
  /** @default the system's clock */
  clock?: Clock;
  /** For `ejectionJitter`. @default Math.random */
  random?: Random;
}

/** What is known of an instance. */
export interface OutlierView {
  readonly instanceId: string;
  /** Whether calls avoid it. */
  readonly ejected: boolean;
  /** False for an ejection that is only told, see `enforcing`: then `ejected` is false, and `reason` is there. */
  readonly enforced?: false;
  readonly reason?: EjectionReason;
  /** What was measured when it was ejected, in words. */
  readonly evidence?: string;
  /** How long it is ejected for still, in milliseconds. */
  readonly ejectedForMs?: number;
  /** How often it was ejected lately. */
  readonly ejections: number;
  readonly failuresInRow: number;
  /** Calls within the interval that runs, and those of them that failed. */
  readonly calls: number;
  readonly failed: number;
}

/** How a service's instances stand. */
export interface OutlierSnapshot {
  readonly instances: readonly OutlierView[];
  /** How many are ejected, also where it is only told, and how many may be. */
  readonly ejected: number;
  readonly mayBeEjected: number;
}

const ROUNDING = 1e-9;
const NONE: ReadonlySet<string> = new Set();
const IN_FORCE = {};
const DRY_RUN = { enforced: false } as const;

/**
 * Finds the instances of a service that do worse than the others, by the calls that are made anyway, and ejects them for a
 * while: Envoy's outlier detection, made to behave in small clusters.
 *
 * - The others are compared with by their median and without the instance itself. Among n instances none can be further from
 *   the mean of all than √(n − 1) standard deviations, so Envoy's rule finds nothing among fewer than five.
 * - One of two instances may be ejected, never all of them. Ten percent of five, rounded down, would be none.
 * - There is no timer. Ejections end, and intervals are judged, when the next call asks or tells; an interval that ended
 *   longer ago than it lasted is not judged any more.
 */
export class OutlierDetector {
  private readonly options: ResolvedOutlierDetectionOptions;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly records = new Map<string, OutlierRecord>();
  private readonly ejectedIds = new Set<string>();
  /** Undefined until somebody tells: then those that were heard of are all that there are. */
  private present: ReadonlySet<string> | undefined;
  private intervalBegan: number;
  private firstReadmission = Number.POSITIVE_INFINITY;
  private readonly enforcement: { readonly enforced?: false };

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(
    options?: Partial<OutlierDetectionOptions>,
    private readonly deps: OutlierDetectorDeps = {},
  ) {
    this.options = resolveOutlierDetectionOptions(options);
    this.clock = deps.clock ?? systemClock;
    this.random = deps.random ?? systemRandom;
    this.intervalBegan = this.clock.now();
    this.enforcement = this.options.enforcing ? IN_FORCE : DRY_RUN;
  }

  /** The ids of those that calls avoid now. Always the same set, and brought up to date when it is asked for. */
  get ejected(): ReadonlySet<string> {
    this.catchUp();
    return this.options.enforcing ? this.ejectedIds : NONE;
  }

  isEjected(instanceId: string): boolean {
    return this.ejected.has(instanceId);
  }

  /**
   * Tells how a call ended; what is `ignored` says nothing.
   * @param latencyMs how long it took. A call that began before the instance was readmitted says nothing either
   * @param now the clock's time, from who knows it already
   */
  record(instanceId: string, outcome: OutcomeClass, latencyMs: number, now = this.clock.now()): void {
    this.catchUp(now);
    if (outcome === 'ignored') return;
    const record = this.records.get(instanceId) ?? this.startRecord(instanceId);
    if (!record?.count(now, outcome !== 'success', latencyMs)) return;
    const failures = record.failuresInRow(now);
    const evidence = `${failures} failure${failures === 1 ? '' : 's'} in a row`;
    this.eject({ instanceId, reason: 'consecutive_failures', evidence }, now);
  }

  /** Tells which instances there are; what is known of others is forgotten. How many may be ejected goes by them. */
  retain(instanceIds: Iterable<string>): void {
    this.present = new Set(instanceIds);
    for (const id of this.records.keys()) {
      if (this.present.has(id)) continue;
      this.records.delete(id);
      this.ejectedIds.delete(id);
    }
    this.findFirstReadmission();
    this.keepWithinLimit(this.catchUp());
  }

  /** Forgets an instance, and readmits it: such as when it has registered anew. */
  forget(instanceId: string): void {
    const now = this.catchUp();
    const record = this.records.get(instanceId);
    if (record?.ejection) this.endEjection(record, now);
    this.records.delete(instanceId);
    this.keepWithinLimit(now);
  }

  /**
   * Ends an ejection before its time, such as when a health check passed. How often the instance was ejected stays known, so
   * that the next time is longer.
   */
  readmit(instanceId: string): void {
    const now = this.catchUp();
    const record = this.records.get(instanceId);
    if (record?.ejection) this.endEjection(record, now);
  }

  explain(instanceId: string): OutlierView {
    const now = this.catchUp();
    const record = this.records.get(instanceId) ?? new OutlierRecord(instanceId, this.options);
    const { ejection, calls, failed } = record;
    return {
      instanceId,
      ejected: ejection !== undefined && this.options.enforcing,
      ...(ejection && this.enforcement),
      reason: ejection?.reason,
      evidence: ejection?.evidence,
      ejectedForMs: ejection && ejection.endsAt - now,
      ejections: record.ejectionsAt(now),
      failuresInRow: record.failuresInRow(now),
      calls,
      failed,
    };
  }

  snapshot(): OutlierSnapshot {
    this.catchUp();
    const { size: ejected } = this.ejectedIds;
    const instances = [...(this.present ?? this.records.keys())].map((id) => this.explain(id));
    return { instances, ejected, mayBeEjected: this.mayBeEjected() };
  }

  /** Undefined for an instance that is gone. */
  private startRecord(instanceId: string): OutlierRecord | undefined {
    if (this.present?.has(instanceId) === false) return undefined;
    const record = new OutlierRecord(instanceId, this.options);
    this.records.set(instanceId, record);
    return record;
  }

  /** Does what time has brought since somebody looked. @returns the time */
  private catchUp(now = this.clock.now()): number {
    while (now >= this.firstReadmission) {
      const record = this.nextToReadmit()!;
      this.endEjection(record, record.ejection!.endsAt);
    }
    const elapsed = now - this.intervalBegan;
    if (elapsed >= this.options.interval) this.endInterval(now, elapsed < 2 * this.options.interval);
    return now;
  }

  private endInterval(now: number, isFresh: boolean): void {
    const samples = isFresh ? [...this.records.values()].filter(({ calls, ejection }) => calls > 0 && !ejection) : [];
    const outliers = findOutliers(
      samples.map((record) => record.sample()),
      this.options,
    );
    for (const record of this.records.values()) record.startInterval();
    this.intervalBegan = now;
    for (const outlier of outliers) this.eject(outlier, now);
  }

  private eject({ instanceId, reason, evidence }: OutlierVerdict, now: number): void {
    const record = this.records.get(instanceId);
    if (!record || this.ejectedIds.size >= this.mayBeEjected()) return;
    const { ejectionTime, maxEjectionTime, ejectionJitter } = this.options;
    const ejections = record.ejectionsAt(now) + 1;
    // On top of the longest time, too: there above all, everybody would come back in step.
    const ejectedForMs = Math.min(maxEjectionTime, ejectionTime * ejections) * (1 + ejectionJitter * this.random());
    const endsAt = now + ejectedForMs;
    record.eject(ejections, { reason, evidence, endsAt });
    this.ejectedIds.add(instanceId);
    this.firstReadmission = Math.min(this.firstReadmission, endsAt);
    notify(() => this.deps.onEject?.({ instanceId, reason, evidence, ejectedForMs, ejections, ...this.enforcement }));
  }

  private endEjection(record: OutlierRecord, at: number): void {
    const { instanceId } = record;
    record.readmit(at);
    this.ejectedIds.delete(instanceId);
    this.findFirstReadmission();
    notify(() => this.deps.onReadmit?.(instanceId, this.enforcement));
  }

  /** Where there are fewer instances than before, they have more to carry: who would be back first is back at once. */
  private keepWithinLimit(now: number): void {
    while (this.ejectedIds.size > this.mayBeEjected()) this.endEjection(this.nextToReadmit()!, now);
  }

  private findFirstReadmission(): void {
    this.firstReadmission = this.nextToReadmit()?.ejection?.endsAt ?? Number.POSITIVE_INFINITY;
  }

  private nextToReadmit(): OutlierRecord | undefined {
    let next: OutlierRecord | undefined;
    for (const id of this.ejectedIds) {
      const record = this.records.get(id);
      if (record && (!next || record.ejection!.endsAt < next.ejection!.endsAt)) next = record;
    }
    return next;
  }

  private mayBeEjected(): number {
    const instances = this.present?.size ?? this.records.size;
    const share = Math.floor(this.options.maxEjectedShare * instances + ROUNDING);
    return Math.min(Math.max(share, 1), Math.max(0, instances - 1));
  }
}

function notify(hook: () => void): void {
  try {
    hook();
  } catch {
    // A listener must not change how the call ends that brought it the news.
  }
}
