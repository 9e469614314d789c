import { type HealthStatus } from '../../model/index.js';
import { type Thresholds } from '../check-plan.js';
import { type FailureKind, type ProbeResult } from '../probes/probe.js';

/** Threshold counts between two checks. */
export interface ThresholdState {
  readonly status: HealthStatus;
  /** Consecutive successes, capped at `rise`; 0 after a failure. */
  readonly successes: number;
  /** Consecutive failures, capped at `fall`, except kinds that are counted separately. */
  readonly failures: number;
  /** Consecutive failures of the kinds that are counted separately; undefined: none. */
  readonly failuresOf?: Readonly<Partial<Record<FailureKind, number>>>;
}

/** @param status already known, for example reported by a previous checker */
export function initialState(status: HealthStatus = 'unknown'): ThresholdState {
  return { status, successes: 0, failures: 0 };
}

/** Whether a result is conclusive and not of an ignored failure kind. */
export function isCounted({ passed, skipped, kind }: ProbeResult, { fallOf }: Thresholds): boolean {
  return !skipped && (passed || kind === undefined || fallOf[kind] !== 0);
}

/**
 * The state after one more conclusive result. The first result of an unknown instance decides at once. After that,
 * `rise` consecutive successes make it healthy, and `fall` consecutive failures (or `fallOf` for kinds counted
 * separately) make it unhealthy. A success resets all failure counts, and a failure the success count, as in Kong's
 * health checks.
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
