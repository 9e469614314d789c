import { type ServiceInstance } from '../model/index.js';
import { type CronTimes } from './cron-times.js';
import { type FailureKind, type Probe } from './probes/probe.js';

/** How many results in a row change a status. */
export interface Thresholds {
  /** Successes that make an unhealthy instance healthy. */
  readonly rise: number;
  /** Failures that make a healthy instance unhealthy, of the kinds that are not counted apart. */
  readonly fall: number;
  /** The same by kind, of those that are counted apart. 0: they count for nothing. */
  readonly fallOf: Readonly<Partial<Record<FailureKind, number>>>;
}

/** When an instance is checked, and how many results change what is said of it. All durations in milliseconds. */
export interface CheckSchedule extends Thresholds {
  /** Between two checks, give or take the jitter; where they go by cron times, the shortest time between two of these. */
  readonly intervalMs: number;
  /** The times of checks that are not made by another one of the intervals. */
  readonly cron?: CronTimes;
  /** Between two checks while results count towards a change of status. */
  readonly changingIntervalMs: number;
  /** Between two checks of an instance that is unhealthy. */
  readonly downIntervalMs: number;
  /** Between two checks of an instance that nobody calls. */
  readonly idleIntervalMs: number;
  /** The share of an interval by which each check comes earlier or later, from 0 to 0.5. */
  readonly jitter: number;
  /** How long one check may take; no longer than the shortest interval that was set. */
  readonly timeoutMs: number;
}

/** How one instance is checked. Instances that are checked alike share one plan. */
export interface CheckPlan {
  readonly schedule: CheckSchedule;
  readonly probe: Probe;
}

/**
 * How an instance is to be checked. What a planner throws is a failed check with the error's message. It is asked again
 * when an instance changes, and answers with the same object where the plan is the same.
 */
export type CheckPlanner = (instance: ServiceInstance) => CheckPlan;
