import { EndQueue, type Clock, type Ending, type Random, type Timer } from '../../common/index.js';

/** Something that comes up again and again. Its wait ends at `endsAt`. */
export interface Recurring extends Ending {
  /** The timetable's own: the time between two, as it counts for the rate; 0: it does not. */
  everyMs: number;
  /** The timetable's own: the longest it is put off after the process stood still. */
  putOffMs: number;
  /** The timetable's own: whether it was put off once, since the process stood still. */
  putOff: boolean;
}

/** When something may come up, in milliseconds from now. */
export interface TimeWindow {
  readonly fromMs: number;
  readonly toMs: number;
  /**
   * Where it is crowded until `toMs`, it may wait until then. After the process stood still, it waits no longer than
   * from `fromMs` to here.
   * @default `toMs` in a crowd; the time between two after the process stood still
   */
  readonly latestMs?: number;
}

export interface CheckTimetableDeps<T> {
  readonly clock: Clock;
  readonly random: Random;
  /** Sets the one timer that everything waits for; one that never fires stops it all. */
  readonly setTimer: Clock['setTimer'];
  /** Called when a wait is over, in order of their times. */
  readonly due: (entry: T) => void;
}

/** The time for which it is known how much will come up in it. */
const SLOT_MS = 100;
/** How many times are drawn from a window before it grows. */
const DRAWS = 6;
/** How much it grows. */
const WIDER = 1.25;
/** How many times the average may come up in a slot before it is crowded. */
const CROWD = 1.25;
/** The same for what can wait: what recurs comes on top. */
const CROWD_FOR_WHO_CAN_WAIT = 0.9;
/** So many a second are no crowd, however low the average is. */
const NEVER_A_CROWD_PER_SECOND = 150;
/** A timer that fires later than this shows that the process stood still. */
const STALL_MS = 1_000;

/**
 * Spreads what recurs over time: a time is drawn from a window, and drawn again where it is crowded, from a window that
 * grows as far as it may; the least crowded is taken where all are. So whatever comes at once, be it that thousands register in one
 * second, that a share of another checker is taken over, or that services have different intervals: what comes up in a
 * second stays close to the average, which is known from all intervals. One timer of the clock serves all.
 *
 * What was due while the process stood still is spread again, since what it is about may have stood still too: over the
 * time between two, or over its own window where that is shorter, so that what is urgent stays urgent. It is put off only
 * once, so that a process that is always late still makes progress.
 */
export class CheckTimetable<T extends Recurring> {
  private readonly queue = new EndQueue<T>();
  /** How many come up in a slot, by its number; empty slots have no entry. */
  private readonly loads = new Map<number, number>();
  private perMs = 0;
  private timer: Timer | undefined;
  private timerAt = Number.POSITIVE_INFINITY;

  constructor(private readonly deps: CheckTimetableDeps<T>) {}

  /** Gives a time to something that waits no more, or moves it. @param everyMs the time between two of it from now on */
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

  /** Whether it waits; false while it is up. */
  isWaiting(entry: T): boolean {
    return entry.position >= 0;
  }

  /** Forgets it: it comes up no more. */
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
