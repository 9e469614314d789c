import { type CheckSchedule } from '../check-plan.js';
import { type TimeWindow } from './check-timetable.js';
import { type ThresholdState } from './status-thresholds.js';

/**
 * The current interval between two checks of an instance: the changing interval while results count towards another
 * status, so that the decision comes soon; the down interval while it is unhealthy (`inter`, `fastinter` and
 * `downinter` of HAProxy).
 */
export function intervalOf(schedule: CheckSchedule, state: ThresholdState): number {
  if (isChanging(state)) return schedule.changingIntervalMs;
  return state.status === 'unhealthy' ? schedule.downIntervalMs : schedule.intervalMs;
}

/**
 * Whether to skip the turn of a healthy instance because it receives no calls and the idle interval has not passed
 * (`no_traffic_interval` of Envoy). It keeps its turns, so it is checked soon after calls start again.
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

/** The window for the first check of a new target, given its interval. */
export type FreshWindow = (intervalMs: number) => TimeWindow;

/** How far urgent checks may be spread out. */
const CROWDED_MS = 1_000;

/** For an instance that just registered: within a second, or a tenth of a short interval. */
export const SOON: FreshWindow = (intervalMs) => ({
  fromMs: 0,
  toMs: Math.min(CROWDED_MS, intervalMs / 10),
  latestMs: intervalMs,
});

/** For an instance taken over from another process, whose last check time is unknown. */
export const WITHIN_HALF: FreshWindow = (intervalMs) => ({ fromMs: 0, toMs: intervalMs / 2, latestMs: intervalMs });

/**
 * For instances found at startup, and after the first check of a new instance, so that instances registered together
 * spread out.
 */
export const WITHIN_INTERVAL: FreshWindow = (intervalMs) => ({ fromMs: 0, toMs: intervalMs });

/**
 * At once, but not sooner after the last check than the changing interval. @param sinceMs how long ago the last check
 * began
 */
export function soonAfter({ changingIntervalMs }: CheckSchedule, sinceMs: number): TimeWindow {
  const fromMs = Math.max(0, changingIntervalMs - sinceMs);
  return { fromMs, toMs: fromMs, latestMs: fromMs + CROWDED_MS };
}

/** Cron times are whole seconds. A time closer than this to the last turn is the one that the turn was for. */
const SAME_TIME_MS = 500;

/**
 * The next cron time; undefined without cron times and while another interval applies (see {@link intervalOf}).
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

/** The window around the end of the interval. @param sinceMs how long ago the last check began */
export function nextWindow(intervalMs: number, jitter: number, sinceMs: number): TimeWindow {
  const fromMs = Math.max(0, intervalMs * (1 - jitter) - sinceMs);
  return { fromMs, toMs: Math.max(fromMs, intervalMs * (1 + jitter) - sinceMs) };
}
