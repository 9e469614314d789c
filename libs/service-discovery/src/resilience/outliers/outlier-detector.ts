import { counted, type Clock, type OutcomeClass, type Random, systemClock, systemRandom } from '../../common/index.js';
import { type EjectionReason, type EventSink } from '../../model/index.js';
import {
  OUTLIER_DETECTION_OPTIONS,
  type OutlierDetectionOptions,
  type ResolvedOutlierDetectionOptions,
} from './outlier-detection-options.js';
import { OutlierRecord } from './outlier-record.js';
import { findOutliers, type OutlierVerdict, shareOfInstances } from './outlier-rules.js';

export interface OutlierDetectorDeps extends OutlierListener {
  /** @default the system's clock */
  clock?: Clock;
  /** For `ejectionJitter`. @default Math.random */
  random?: Random;
}

/** The state of an instance. */
export interface OutlierView {
  readonly instanceId: string;
  /** Whether calls avoid it. */
  readonly ejected: boolean;
  /** False in a dry run, see `enforcing`: then `ejected` is false, and `reason` is set. */
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

/** The state of a service's instances. */
export interface OutlierSnapshot {
  readonly instances: readonly OutlierView[];
  /** How many are ejected, including those of a dry run, and how many may be. */
  readonly ejected: number;
  readonly mayBeEjected: number;
}

const NONE: ReadonlySet<string> = new Set();
const IN_FORCE = {};
const DRY_RUN = { enforced: false } as const;

/** The ejection of an instance. */
export interface Ejection {
  readonly instanceId: string;
  readonly reason: EjectionReason;
  /** What was measured, in words. */
  readonly evidence: string;
  /** How long it lasts. */
  readonly ejectedForMs: number;
  /** Recent ejections, this one included: the factor by which it is longer than the first. */
  readonly ejections: number;
  /** False in a dry run, see `enforcing`; left out: it is in force. */
  readonly enforced?: false;
}

/** Called after ejections and readmissions; what it throws is dropped. */
export interface OutlierListener {
  onEject?: (ejection: Ejection) => void;
  /** @param readmission `enforced` as in the {@link Ejection} that is over */
  onReadmit?: (instanceId: string, readmission: Pick<Ejection, 'enforced'>) => void;
}

/** Makes the listener that reports ejections of a service's instances as `instance.ejected` and `instance.readmitted`. */
export function reportOutliers(events: EventSink, serviceName: string): Required<OutlierListener> {
  return {
    onEject: ({ instanceId, ...ejection }) =>
      events.emit('instance.ejected', { key: { serviceName, instanceId }, ...ejection }),
    onReadmit: (instanceId, readmission) =>
      events.emit('instance.readmitted', { key: { serviceName, instanceId }, ...readmission }),
  };
}

/**
 * Finds the instances of a service that do worse than the others in regular calls, and ejects them for a while: Envoy's
 * outlier detection, adapted to small clusters.
 *
 * - An instance is compared with the median of the others, without itself. Among n instances none can be further from the
 *   mean of all than √(n − 1) standard deviations, so Envoy's rule finds nothing among fewer than five.
 * - One of two instances may be ejected, never all of them. Ten percent of five, rounded down, would be none.
 * - There is no timer. Ejections end and intervals are evaluated at the next call; an interval that ended longer ago than
 *   it lasted is skipped.
 */
export class OutlierDetector {
  private readonly options: ResolvedOutlierDetectionOptions;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly records = new Map<string, OutlierRecord>();
  private readonly ejectedIds = new Set<string>();
  /** The known instances; undefined before the first `retain`: then those with calls. */
  private present: ReadonlySet<string> | undefined;
  private intervalBegan: number;
  private firstReadmission = Number.POSITIVE_INFINITY;
  private readonly enforcement: { readonly enforced?: false };

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(
    options?: Partial<OutlierDetectionOptions>,
    private readonly deps: OutlierDetectorDeps = {},
  ) {
    this.options = OUTLIER_DETECTION_OPTIONS.resolve(options);
    this.clock = deps.clock ?? systemClock;
    this.random = deps.random ?? systemRandom;
    this.intervalBegan = this.clock.now();
    this.enforcement = this.options.enforcing ? IN_FORCE : DRY_RUN;
  }

  /** The ids of the instances that calls avoid. Always the same set, updated at each read. */
  get ejected(): ReadonlySet<string> {
    this.catchUp();
    return this.options.enforcing ? this.ejectedIds : NONE;
  }

  isEjected(instanceId: string): boolean {
    return this.ejected.has(instanceId);
  }

  /**
   * Records the outcome of a call; `ignored` does not count.
   * @param latencyMs how long it took. A call that began before the instance was readmitted does not count either
   * @param now `Clock.now()`, when the caller already has it
   */
  record(instanceId: string, outcome: OutcomeClass, latencyMs: number, now = this.clock.now()): void {
    this.catchUp(now);
    if (outcome === 'ignored') return;
    const record = this.records.get(instanceId) ?? this.startRecord(instanceId);
    if (!record?.count(now, outcome !== 'success', latencyMs)) return;
    const failures = record.failuresInRow(now);
    const evidence = `${counted(failures, 'failure')} in a row`;
    this.eject({ instanceId, reason: 'consecutive_failures', evidence }, now);
  }

  /** Sets the known instances, and forgets all others. Their number determines how many may be ejected. */
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

  /** Forgets an instance and readmits it, such as when it has registered again. */
  forget(instanceId: string): void {
    const now = this.catchUp();
    const record = this.records.get(instanceId);
    if (record?.ejection) this.endEjection(record, now);
    this.records.delete(instanceId);
    this.keepWithinLimit(now);
  }

  /**
   * Ends an ejection early, such as after a passed health check. The number of ejections is kept, so that the next one is
   * longer.
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

  /** Applies the readmissions and the interval that became due since the last look. @returns the time */
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
    // Jitter applies to the longest time too: there, above all, callers would come back in sync.
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

  /** When instances leave, fewer may be ejected: those that would be readmitted first are readmitted at once. */
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
    return Math.min(shareOfInstances(this.options.maxEjectedShare, instances), Math.max(0, instances - 1));
  }
}

function notify(hook: () => void): void {
  try {
    hook();
  } catch {
    // A listener's error must not affect the call that caused the ejection.
  }
}
