import { type Clock, type Ending, EndQueue, type Random, type Timer } from '../../common/index.js';
import { type CheckSchedule } from '../check-plan.js';
import { type ThresholdState } from './status-thresholds.js';

/** A recurring event, due at `endsAt`. */
export interface Recurring extends Ending {
  /** Internal: its interval as counted in the average load; 0: not counted. */
  everyMs: number;
  /** Internal: the longest time it is postponed after the process stalled. */
  putOffMs: number;
  /** Internal: whether it has been postponed since the process stalled. */
  putOff: boolean;
}

/** When an event may be due, in milliseconds from now. */
interface TimeWindow {
  readonly fromMs: number;
  readonly toMs: number;
  /**
   * The latest time if everything up to `toMs` is crowded. After a stall, also the longest wait counted from `fromMs`.
   * @default `toMs` if crowded; the interval after a stall
   */
  readonly latestMs?: number;
}

interface CheckTimetableDeps<T> {
  readonly clock: Clock;
  readonly random: Random;
  /** Sets the single timer behind all entries; if it never fires, everything stops. */
  readonly setTimer: Clock['setTimer'];
  /** Called for each entry that is due, in order of time. */
  readonly due: (entry: T) => void;
}

/** Width of the slots in which entries are counted. */
const SLOT_MS = 100;
/** How many times are drawn from a window before it is widened. */
const DRAWS = 6;
/** Factor by which the window is widened. */
const WIDER = 1.25;
/** A slot is crowded above this multiple of the average load. */
const CROWD = 1.25;
/** The same for entries that can wait: recurring ones come on top. */
const CROWD_FOR_WHO_CAN_WAIT = 0.9;
/** A load below this is never crowded, however low the average is. */
const NEVER_A_CROWD_PER_SECOND = 150;
/** A timer that fires later than this shows that the process stalled. */
const STALL_MS = 1_000;

/**
 * Spreads recurring events over time. A time is drawn from a window and drawn again if its slot is crowded, from a
 * window that grows up to its limit; if every draw is crowded, the least crowded slot wins. The load per second
 * therefore stays close to the average, which is known from all intervals, even when thousands of instances register in
 * one second, a share is taken over from another checker, or intervals differ. A single timer of the clock serves all
 * entries.
 *
 * After the process stalled, entries that fell due are spread out again, since their targets may have stalled as well:
 * over their interval, or over their own window if that is shorter, so urgent ones stay urgent. Each entry is postponed
 * only once, so that a process that is always late still makes progress.
 */
export class CheckTimetable<T extends Recurring> {
  private readonly queue = new EndQueue<T>();
  /** Entries per slot number; empty slots are absent. */
  private readonly loads = new Map<number, number>();
  private perMs = 0;
  private timer: Timer | undefined;
  private timerAt = Number.POSITIVE_INFINITY;

  constructor(private readonly deps: CheckTimetableDeps<T>) {}

  /** Schedules an entry, or moves it. @param everyMs its interval from now on */
  plan(entry: T, everyMs: number, window: TimeWindow): void {
    this.takeOut(entry);
    this.perMs += 1 / everyMs - (entry.everyMs > 0 ? 1 / entry.everyMs : 0);
    entry.everyMs = everyMs;
    entry.putOffMs = Math.min(everyMs, (window.latestMs ?? Number.POSITIVE_INFINITY) - window.fromMs);
    entry.endsAt = this.choose(window);
    this.count(entry.endsAt, 1);
    this.queue.add(entry);
    if (entry.endsAt < this.timerAt) this.arm(entry.endsAt);
  }

  /** Whether it is scheduled; false while it is being handled. */
  isWaiting(entry: T): boolean {
    return entry.position >= 0;
  }

  /** Removes an entry for good. */
  forget(entry: T): void {
    this.takeOut(entry);
    if (entry.everyMs > 0) this.perMs -= 1 / entry.everyMs;
    entry.everyMs = 0;
    if (this.queue.size === 0) this.disarm();
  }

  private takeOut(entry: T): void {
    if (entry.position < 0) return;
    this.queue.remove(entry);
    this.count(entry.endsAt, -1);
  }

  private choose({ fromMs, toMs, latestMs = toMs }: TimeWindow): number {
    const earliest = this.deps.clock.now() + fromMs;
    const widest = latestMs - fromMs;
    const crowd = this.crowd(latestMs > toMs ? CROWD_FOR_WHO_CAN_WAIT : CROWD);
    let best = earliest;
    let bestLoad = Number.POSITIVE_INFINITY;
    for (let width = toMs - fromMs; ; width = Math.max(SLOT_MS, WIDER * width)) {
      for (let draw = 0; draw < DRAWS; draw++) {
        const time = earliest + this.deps.random() * Math.min(width, widest);
        const load = this.loadAt(time);
        if (load < crowd) return time;
        if (load < bestLoad) [best, bestLoad] = [time, load];
      }
      if (width >= widest) return best;
    }
  }

  private loadAt(time: number): number {
    return this.loads.get(Math.floor(time / SLOT_MS)) ?? 0;
  }

  private crowd(timesTheAverage: number): number {
    return Math.max(NEVER_A_CROWD_PER_SECOND / 1_000, timesTheAverage * this.perMs) * SLOT_MS;
  }

  private count(time: number, change: 1 | -1): void {
    const slot = Math.floor(time / SLOT_MS);
    const load = (this.loads.get(slot) ?? 0) + change;
    if (load > 0) this.loads.set(slot, load);
    else this.loads.delete(slot);
  }

  private arm(at: number): void {
    this.timer?.cancel();
    this.timerAt = at;
    const { clock, setTimer } = this.deps;
    this.timer = setTimer(() => this.comeUp(), Math.ceil(Math.max(0, at - clock.now())), { keepAlive: false });
  }

  private disarm(): void {
    this.timer?.cancel();
    this.timer = undefined;
    this.timerAt = Number.POSITIVE_INFINITY;
  }

  private comeUp(): void {
    const now = this.deps.clock.now();
    const stoodStill = now - this.timerAt > STALL_MS;
    this.disarm();
    for (let entry = this.queue.takeEnded(now); entry; entry = this.queue.takeEnded(now)) {
      this.count(entry.endsAt, -1);
      if (stoodStill && !entry.putOff) {
        entry.putOff = true;
        this.plan(entry, entry.everyMs, { fromMs: 0, toMs: entry.putOffMs });
      } else {
        entry.putOff = false;
        this.deps.due(entry);
      }
    }
    const next = this.queue.nextCheckAt;
    if (next !== undefined && next < this.timerAt) this.arm(next);
  }
}

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
