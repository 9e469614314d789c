import { type CheckSchedule } from '../check-plan.js';
import { type TimeWindow } from './check-timetable.js';
import { type ThresholdState } from './status-thresholds.js';

/**
 * The time between two turns of an instance as it is now: the changing interval while results count towards another
 * status, so that it is decided soon; else the down interval of one that is unhealthy (`inter`, `fastinter` and
 * `downinter` of HAProxy).
 */
export function intervalOf(schedule: CheckSchedule, state: ThresholdState): number {
  if (isChanging(state)) return schedule.changingIntervalMs;
  return state.status === 'unhealthy' ? schedule.downIntervalMs : schedule.intervalMs;
}

/**
 * Whether a healthy instance need not be checked in its turn, since nobody calls it and the idle interval is not over
 * (`no_traffic_interval` of Envoy). It keeps its turns, so that it is checked soon once somebody calls it.
 * @param sinceMs how long ago the last check began
 */
export function mayRest(
  { intervalMs, idleIntervalMs }: CheckSchedule,
  state: ThresholdState,
  sinceMs: number,
  isIdle: () => boolean,
): boolean {
  const isOver = sinceMs + intervalMs / 2 >= idleIntervalMs;
  return !isOver && state.status === 'healthy' && !isChanging(state) && isIdle();
}

function isChanging({ status, successes, failures, failuresOf }: ThresholdState): boolean {
  return status === 'healthy' ? failures > 0 || failuresOf !== undefined : status === 'unhealthy' && successes > 0;
}

/** When a target is checked that has no turn yet, given the time between two checks. */
export type FreshWindow = (intervalMs: number) => TimeWindow;

/** For so long what is to be checked soon may be spread. */
const CROWDED_MS = 1_000;

/** One that has just registered: within a second, or a tenth of a short interval. */
export const SOON: FreshWindow = (intervalMs) => ({
  fromMs: 0,
  toMs: Math.min(CROWDED_MS, intervalMs / 10),
  latestMs: intervalMs,
});

/** One that another process checked until now, at a time that nobody knows. */
export const WITHIN_HALF: FreshWindow = (intervalMs) => ({ fromMs: 0, toMs: intervalMs / 2, latestMs: intervalMs });

/**
 * One that was there before this process looked; and one that was just checked for the first time, since those that
 * registered together part there.
 */
export const WITHIN_INTERVAL: FreshWindow = (intervalMs) => ({ fromMs: 0, toMs: intervalMs });

/** At once, but no sooner after the last check than checks follow on a failed one. @param sinceMs how long ago that began */
export function soonAfter({ changingIntervalMs }: CheckSchedule, sinceMs: number): TimeWindow {
  const fromMs = Math.max(0, changingIntervalMs - sinceMs);
  return { fromMs, toMs: fromMs, latestMs: fromMs + CROWDED_MS };
}

/** Cron times are whole seconds: one that is closer than this to the last turn is the one that this turn was for. */
const SAME_TIME_MS = 500;

/**
 * The next cron time, for checks that go by them; undefined for others, and while an interval of its own counts (see
 * {@link intervalOf}).
 * @param epochMs now
 * @param sinceMs how long ago the last turn began
 */
export function cronWindow(
  { cron, intervalMs }: CheckSchedule,
  everyMs: number,
  epochMs: number,
  sinceMs = Number.POSITIVE_INFINITY,
): TimeWindow | undefined {
  if (!cron || everyMs !== intervalMs) return undefined;
  const inMs = cron.next(Math.max(epochMs, epochMs - sinceMs + SAME_TIME_MS)) - epochMs;
  return { fromMs: inMs, toMs: inMs };
}

/** Around the end of the interval. @param sinceMs how long ago the last check began */
export function nextWindow(intervalMs: number, jitter: number, sinceMs: number): TimeWindow {
  const fromMs = Math.max(0, intervalMs * (1 - jitter) - sinceMs);
  return { fromMs, toMs: Math.max(fromMs, intervalMs * (1 + jitter) - sinceMs) };
}
