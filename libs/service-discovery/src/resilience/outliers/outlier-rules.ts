import { counted, durationText } from '../../common/index.js';
import { type EjectionReason } from '../../model/index.js';
import { type OutlierSample, type ResolvedOutlierDetectionOptions } from './outlier-detection-options.js';

/** The calls of one instance within one interval. */
export interface IntervalSample {
  readonly instanceId: string;
  readonly calls: number;
  readonly failed: number;
  /** Of the latest calls that succeeded, in milliseconds. */
  readonly latencies: Float64Array;
}

/** The reason to eject an instance. */
export interface OutlierVerdict {
  readonly instanceId: string;
  readonly reason: EjectionReason;
  /** What was measured, in words. */
  readonly evidence: string;
}

/**
 * How many standard errors a rate has to be off: rates of equal instances differ by chance, the more the fewer the calls.
 * With two, one of ten equal instances would be taken for an outlier every few intervals.
 */
const CERTAINTY = 3;

interface Finding extends OutlierVerdict {
  /** The sort key among the findings of one rule. */
  readonly badness: number;
}

type Rule = (samples: readonly IntervalSample[], options: ResolvedOutlierDetectionOptions) => Finding[];

/** The outliers of one interval, without duplicates: failing ones before slow ones, the worst first. */
export function findOutliers(
  samples: readonly IntervalSample[],
  options: ResolvedOutlierDetectionOptions,
): OutlierVerdict[] {
  const rules: readonly Rule[] = [byFailurePercentage, bySuccessRate, byLatency];
  const found = new Map<string, OutlierVerdict>();
  for (const rule of rules) {
    for (const finding of rule(samples, options).sort((a, b) => b.badness - a.badness)) {
      if (!found.has(finding.instanceId)) found.set(finding.instanceId, finding);
    }
  }
  return [...found.values()];
}

const byFailurePercentage: Rule = (samples, { failurePercentage: rule }) =>
  judged(samples, rule).flatMap(({ instanceId, calls, failed }) => {
    const share = failed / calls;
    if (!rule || share * 100 < rule.threshold) return [];
    const evidence = `${percent(share)} of ${counted(calls, 'call')} failed`;
    return [{ instanceId, reason: 'failure_percentage', evidence, badness: share }];
  });

const bySuccessRate: Rule = (samples, { successRate: rule }) => {
  const candidates = judged(samples, rule);
  const all = new LeaveOneOut(candidates.map(successRateOf));
  return candidates.flatMap((sample) => {
    const rate = successRateOf(sample);
    const others = all.median(rate);
    if (!rule) return [];
    const byChance = CERTAINTY * standardError(others, sample.calls);
    if (rate > others - Math.max(rule.margin, byChance)) return [];
    if (rate > others - rule.factor * all.deviation(rate)) return [];
    const evidence = `${percent(rate)} of ${counted(sample.calls, 'call')} succeeded, of the others' ${percent(others)}`;
    return [{ instanceId: sample.instanceId, reason: 'success_rate', evidence, badness: 1 - rate }];
  });
};

const byLatency: Rule = (samples, { latency: rule }) => {
  if (!rule) return [];
  const candidates = judged(samples, rule, ({ calls, failed }) => calls - failed).map(({ instanceId, latencies }) => ({
    instanceId,
    latency: quantileOf(latencies, rule.quantile),
  }));
  const all = new LeaveOneOut(candidates.map(({ latency }) => latency));
  return candidates.flatMap(({ instanceId, latency }) => {
    const others = all.median(latency);
    if (latency < Math.max(rule.factor * others, others + rule.margin)) return [];
    const evidence = `latency of ${durationText(latency)}, of the others ${durationText(others)}`;
    return [{ instanceId, reason: 'latency', evidence, badness: latency }];
  });
};

/** The samples with enough calls; empty when they are too few to compare, or the rule is off. */
function judged(
  samples: readonly IntervalSample[],
  rule: OutlierSample | false,
  callsOf: (sample: IntervalSample) => number = ({ calls }) => calls,
): readonly IntervalSample[] {
  if (!rule) return [];
  const enough = samples.filter((sample) => callsOf(sample) >= rule.minimumCalls);
  return enough.length >= rule.minimumInstances ? enough : [];
}

function successRateOf({ calls, failed }: IntervalSample): number {
  return (calls - failed) / calls;
}

function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

/**
 * Statistics of a list with one value left out, so that a value is not compared with itself: among a few values, a single
 * outlier moves mean and deviation so far that it is never found. Medians, so that a minority of outliers does not hide
 * each other.
 */
export class LeaveOneOut {
  private readonly sorted: Float64Array;

  constructor(values: readonly number[]) {
    this.sorted = Float64Array.from(values).sort();
  }

  /** The median of the others; NaN without others. */
  median(value: number): number {
    const others = this.sorted.length - 1;
    const skip = this.placeOf(value);
    const upper = this.at(others >> 1, skip);
    return others % 2 === 1 ? upper : (this.at((others >> 1) - 1, skip) + upper) / 2;
  }

  /** The standard deviation of the others, estimated from their median absolute deviation; 0 without others. */
  deviation(value: number): number {
    const others = this.sorted.length - 1;
    if (others < 1) return 0;
    const skip = this.placeOf(value);
    const center = this.median(value);
    // Walks the deviations in ascending order: from the middle outwards, taking the nearer side each time.
    let above = others >> 1;
    let below = above - 1;
    let lower = 0;
    let upper = 0;
    for (let taken = 0; taken <= others >> 1; taken++) {
      const down = below >= 0 ? center - this.at(below, skip) : Infinity;
      const up = above < others ? this.at(above, skip) - center : Infinity;
      lower = upper;
      upper = Math.min(down, up);
      if (down < up) below--;
      else above++;
    }
    return NORMAL * (others % 2 === 1 ? upper : (lower + upper) / 2);
  }

  /** The first place of a value that is in the list. */
  private placeOf(value: number): number {
    let from = 0;
    let to = this.sorted.length - 1;
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.sorted[middle]! < value) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  private at(place: number, skip: number): number {
    return this.sorted[place < skip ? place : place + 1] ?? Number.NaN;
  }
}

/** The ratio of standard deviation to median absolute deviation in a normal distribution. */
const NORMAL = 1.4826;

/**
 * The standard error of a share of `calls`. The share is first moved a little towards one half (Agresti and Coull), so
 * that a hundred successes do not pass for certainty.
 */
export function standardError(share: number, calls: number): number {
  const drawn = (share * calls + 2) / (calls + 4);
  return Math.sqrt((drawn * (1 - drawn)) / calls);
}

/** The value below which a share of the values lies, by the nearest rank. Sorts the values in place. */
export function quantileOf(values: Float64Array, quantile: number): number {
  values.sort();
  return values[Math.max(0, Math.ceil(quantile * values.length) - 1)] ?? Number.NaN;
}

/** Tolerance for binary fractions. */
const ROUNDING = 1e-9;

/** How many instances may be out of use at the same time, as a share of all: rounded down, and at least one. */
export function shareOfInstances(share: number, instances: number): number {
  return Math.max(1, Math.floor(share * instances + ROUNDING));
}
