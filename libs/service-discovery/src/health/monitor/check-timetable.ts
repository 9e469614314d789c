import { EndQueue, type Clock, type Ending, type Random, type Timer } from '../../common/index.js';

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
export interface TimeWindow {
  readonly fromMs: number;
  readonly toMs: number;
  /**
   * The latest time if everything up to `toMs` is crowded. After a stall, also the longest wait counted from `fromMs`.
   * @default `toMs` if crowded; the interval after a stall
   */
  readonly latestMs?: number;
}

export interface CheckTimetableDeps<T> {
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
