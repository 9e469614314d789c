import { EndQueue, type Clock, type Ending, type Random, type Timer } from '../../common/index.js';

/** Something that comes up again and again. Its wait ends at `endsAt`. */
export interface Recurring extends Ending {
  /** The timetable's own: the time between two, as it counts for the rate; 0: it does not. */
  everyMs: number;
  /** The timetable's own: whether it was put off once, since the process stood still. */
  putOff: boolean;
}

/** When something may come up, in milliseconds from now. */
export interface TimeWindow {
  readonly fromMs: number;
  readonly toMs: number;
  /** Where it is crowded until `toMs`, it may wait until then. @default `toMs` */
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
/** Of so many times drawn from a window the best is taken. */
const DRAWS = 6;
/** How much a window grows where all that was drawn is crowded. */
const WIDER = 1.25;
/** What share of the average may come up in a slot before what can wait goes elsewhere; the rest is for what recurs. */
const CROWD = 0.9;
/** So many a second are no crowd, however low the average is. */
const NEVER_A_CROWD_PER_SECOND = 150;
/** A timer that fires later than this shows that the process stood still. */
const STALL_MS = 1_000;

/**
 * Spreads what recurs over time: of several times drawn from a window that one is taken at which the least comes up
 * already (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001). Where all are crowded and it
 * can wait longer, the window grows. So whatever comes at once, be it that thousands register in one
 * second, that a share of another checker is taken over, or that services have different intervals: what comes up in a
 * second stays close to the average, which is known from all intervals. One timer of the clock serves all.
 *
 * When the process stood still, what was due meanwhile is spread anew, since what it is about may have stood still with
 * it. Once only, so that a process that is always late gets on all the same.
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
    for (let width = toMs - fromMs; ; width = Math.max(SLOT_MS, WIDER * width)) {
      const isLast = width >= widest;
      const time = this.leastCrowded(earliest, isLast ? widest : width);
      if (isLast || this.loadAt(time) < this.crowd()) return time;
    }
  }

  private leastCrowded(earliest: number, width: number): number {
    const { random } = this.deps;
    let best = earliest + random() * width;
    for (let draw = 1; draw < DRAWS && this.loadAt(best) > 0; draw++) {
      const time = earliest + random() * width;
      if (this.loadAt(time) < this.loadAt(best)) best = time;
    }
    return best;
  }

  private loadAt(time: number): number {
    return this.loads.get(Math.floor(time / SLOT_MS)) ?? 0;
  }

  private crowd(): number {
    return Math.max(NEVER_A_CROWD_PER_SECOND / 1_000, CROWD * this.perMs) * SLOT_MS;
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
        this.plan(entry, entry.everyMs, { fromMs: 0, toMs: entry.everyMs });
      } else {
        entry.putOff = false;
        this.deps.due(entry);
      }
    }
    const next = this.queue.nextCheckAt;
    if (next !== undefined && next < this.timerAt) this.arm(next);
  }
}
