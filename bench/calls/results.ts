import { median, type Spread, spreadOf } from '../support/statistics.js';
import { type Figures } from './client/load.js';
import { keyOf, type Lane, type Scenario } from './scenarios.js';

export interface LaneResult {
  readonly lane: Lane;
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

/** The middle one of all rounds. */
export function figureOf({ rounds }: LaneResult, metric: Metric): number {
  return median(rounds.map((round) => round[metric]));
}

/**
 * How many times as much of it one lane has as another. Both are compared round by round, since what disturbs the machine
 * disturbs those who run next to each other alike.
 */
export function ratioOf(of: LaneResult, to: LaneResult, metric: Metric): Spread {
  const count = Math.min(of.rounds.length, to.rounds.length);
  return spreadOf(Array.from({ length: count }, (_, n) => of.rounds[n]![metric] / to.rounds[n]![metric]));
}

/** Undefined where it was not measured, or is not there. */
export function laneOf(result: ScenarioResult | undefined, lane: Lane): LaneResult | undefined {
  const found = result?.lanes.find((one) => keyOf(one.lane) === keyOf(lane));
  return found && found.rounds.length > 0 ? found : undefined;
}
