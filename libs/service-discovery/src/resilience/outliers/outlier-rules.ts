import { type EjectionReason } from '../../model/index.js';
import { type OutlierSample, type ResolvedOutlierDetectionOptions } from './outlier-detection-options.js';
import { LeaveOneOut, quantileOf, standardError } from './outlier-statistics.js';

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
    const evidence = `${percent(share)} of ${calls} calls failed`;
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
    const evidence = `${percent(rate)} of ${sample.calls} calls succeeded, of the others' ${percent(others)}`;
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
    const evidence = `latency of ${Math.round(latency)} ms, of the others ${Math.round(others)} ms`;
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
