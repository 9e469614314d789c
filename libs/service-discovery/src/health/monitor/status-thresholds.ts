import { type HealthStatus } from '../../model/index.js';
import { type Thresholds } from '../check-plan.js';
import { type FailureKind, type ProbeResult } from '../probes/probe.js';

/** Where an instance stands between two checks. */
export interface ThresholdState {
  readonly status: HealthStatus;
  /** Successes in a row, counted up to `rise`; 0 where there are failures. */
  readonly successes: number;
  /** Failures in a row, counted up to `fall`, without those that are counted apart. */
  readonly failures: number;
  /** The failures in a row that are counted apart; undefined: none. */
  readonly failuresOf?: Readonly<Partial<Record<FailureKind, number>>>;
}

/** @param status what is known of the instance already, such as by a checker before this one */
export function initialState(status: HealthStatus = 'unknown'): ThresholdState {
  return { status, successes: 0, failures: 0 };
}

/** Whether a result says anything about the instance, and is not of a kind of failure that counts for nothing. */
export function isCounted({ passed, skipped, kind }: ProbeResult, { fallOf }: Thresholds): boolean {
  return !skipped && (passed || kind === undefined || fallOf[kind] !== 0);
}

/**
 * The state after one more result that counts. The first result of an unknown instance decides at once; afterwards `rise`
 * successes in a row make it healthy, and so many failures in a row unhealthy as `fall` says or, of a kind that is counted
 * apart, `fallOf`. A success zeroes all failures, and a failure the successes (as with Kong's health checks).
 */
export function nextState(
  state: ThresholdState,
  { passed, kind }: Pick<ProbeResult, 'passed' | 'kind'>,
  { rise, fall, fallOf }: Thresholds,
): ThresholdState {
  const { status, failures, failuresOf } = state;
  if (passed) {
    const successes = Math.min(state.successes + 1, rise);
    const isHealthy = status === 'unknown' || successes >= rise;
    return { status: isHealthy ? 'healthy' : status, successes, failures: 0 };
  }
  const next = (count: number, limit: number): HealthStatus =>
    status === 'unknown' || count >= limit ? 'unhealthy' : status;
  const ownFall = kind && fallOf[kind];
  if (kind === undefined || ownFall === undefined) {
    const count = Math.min(failures + 1, fall);
    return { status: next(count, fall), successes: 0, failures: count, failuresOf };
  }
  const count = Math.min((failuresOf?.[kind] ?? 0) + 1, ownFall);
  return { status: next(count, ownFall), successes: 0, failures, failuresOf: { ...failuresOf, [kind]: count } };
}
