import { type ServiceInstance } from '../model/index.js';
import { type FailureKind, type Probe } from './probes/probe.js';

/** How many consecutive results change a status. */
export interface Thresholds {
  /** Successes that make an unhealthy instance healthy. */
  readonly rise: number;
  /** Failures that make a healthy instance unhealthy, except kinds with a threshold of their own. */
  readonly fall: number;
  /** Thresholds of failure kinds that are counted separately. 0: the kind is ignored. */
  readonly fallOf: Readonly<Partial<Record<FailureKind, number>>>;
}

/** When an instance is checked, and how many results change its status. All durations in milliseconds. */
export interface CheckSchedule extends Thresholds {
  /** Between two checks, before jitter; with cron times, the shortest gap between two of them. */
  readonly intervalMs: number;
  /** Cron times of regular checks, in place of the interval. */
  readonly cron?: CronTimes;
  /** Between two checks while results count towards a change of status. */
  readonly changingIntervalMs: number;
  /** Between two checks of an instance that is unhealthy. */
  readonly downIntervalMs: number;
  /** Between two checks of an instance that receives no calls. */
  readonly idleIntervalMs: number;
  /** Fraction of an interval by which each check is moved earlier or later, from 0 to 0.5. */
  readonly jitter: number;
  /** Timeout of one check; at most the shortest configured interval. */
  readonly timeoutMs: number;
}

/** How one instance is checked. Instances with equal settings share one plan. */
export interface CheckPlan {
  readonly schedule: CheckSchedule;
  readonly probe: Probe;
}

/**
 * Returns how an instance is checked. An error that it throws is reported as a failed check. Called again whenever an
 * instance changes; returns the same object for the same plan.
 */
export interface CheckPlanner {
  (instance: ServiceInstance): CheckPlan;
  /** Called when the checks have ended. */
  close?(): void;
}

/** Wall-clock times, for example of a cron expression, at least a second apart. */
export interface CronTimes {
  /** The first time after `after`, both in milliseconds since the Unix epoch. */
  next(after: number): number;
}

const LOOKED_AT = 5;

/** The shortest gap between two of the next few times, in milliseconds. Used wherever a single interval is needed. */
export function shortestGap(times: CronTimes): number {
  let shortest = Number.POSITIVE_INFINITY;
  let time = times.next(0);
  for (let count = 0; count < LOOKED_AT; count++) {
    const next = times.next(time);
    shortest = Math.min(shortest, next - time);
    time = next;
  }
  return shortest;
}
