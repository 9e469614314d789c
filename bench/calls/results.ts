import { median, type Spread, spreadOf } from '../support/statistics.js';
import { type Figures } from './client/load.js';
import { keyOf, type Lane, type Scenario } from './scenarios.js';

export interface LaneResult {
  readonly lane: Lane;
  /** In order, so that the same round of two lanes can be compared; empty if something is missing. */
  readonly rounds: readonly Figures[];
  readonly bytesPerCall?: number;
  /** Why there are no figures. */
  readonly missing?: string;
}

export interface ScenarioResult {
  readonly scenario: Scenario;
  readonly lanes: readonly LaneResult[];
}

export type Metric = Exclude<keyof Figures, 'calls'>;
const METRICS: readonly Metric[] = ['requestsPerSecond', 'p50Us', 'p99Us', 'cpuUsPerCall'];

/** Summary of a lane. */
export interface LaneSummary {
  readonly lane: Lane;
  /** Medians of all rounds. */
  readonly figures: Readonly<Record<Metric, number>>;
  readonly bytesPerCall: number;
  /** Relative to the baseline of the scenario; undefined if that has no figures. */
  readonly ratios: Readonly<Record<Metric, Spread>> | undefined;
}

export function summariesOf(result: ScenarioResult): LaneSummary[] {
  const base = laneOf(result, result.scenario.base);
  return result.lanes
    .filter(({ rounds }) => rounds.length > 0)
    .map((one) => ({
      lane: one.lane,
      figures: forEachMetric((metric) => median(one.rounds.map((round) => round[metric]))),
      bytesPerCall: one.bytesPerCall ?? Number.NaN,
      ratios: base && forEachMetric((metric) => ratioOf(one, base, metric)),
    }));
}

/**
 * Ratio between two lanes, compared round by round, since disturbances affect lanes that run next to each other alike.
 */
export function ratioOf(of: LaneResult, to: LaneResult, metric: Metric): Spread {
  const count = Math.min(of.rounds.length, to.rounds.length);
  return spreadOf(Array.from({ length: count }, (_, n) => of.rounds[n]![metric] / to.rounds[n]![metric]));
}

/** Undefined if it was not measured. */
export function laneOf(result: ScenarioResult | undefined, lane: Lane): LaneResult | undefined {
  const found = result?.lanes.find((one) => keyOf(one.lane) === keyOf(lane));
  return found && found.rounds.length > 0 ? found : undefined;
}

function forEachMetric<T>(value: (metric: Metric) => T): Record<Metric, T> {
  return Object.fromEntries(METRICS.map((metric) => [metric, value(metric)])) as Record<Metric, T>;
}
