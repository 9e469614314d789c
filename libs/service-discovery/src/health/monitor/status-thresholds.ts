import { type HealthStatus } from '../../model/index.js';

/** How many results in a row change a status. */
export interface Thresholds {
  readonly rise: number;
  readonly fall: number;
}

/** Where an instance stands between two checks. At most one of the two counts is above 0. */
export interface ThresholdState {
  readonly status: HealthStatus;
  /** Successes in a row, counted up to `rise`. */
  readonly successes: number;
  /** Failures in a row, counted up to `fall`. */
  readonly failures: number;
}

/** @param status what is known of the instance already, such as by a checker before this one */
export function initialState(status: HealthStatus = 'unknown'): ThresholdState {
  return { status, successes: 0, failures: 0 };
}

/**
 * The state after one more result. The first result of an unknown instance decides at once; afterwards `fall` failures
 * in a row make it unhealthy and `rise` successes in a row healthy. A success zeroes the failures, and the other way
 * round.
 */
export function nextState(state: ThresholdState, passed: boolean, { rise, fall }: Thresholds): ThresholdState {
  const successes = passed ? Math.min(state.successes + 1, rise) : 0;
  const failures = passed ? 0 : Math.min(state.failures + 1, fall);
  const decided = state.status === 'unknown' || successes >= rise || failures >= fall;
  return { status: decided ? (passed ? 'healthy' : 'unhealthy') : state.status, successes, failures };
}
