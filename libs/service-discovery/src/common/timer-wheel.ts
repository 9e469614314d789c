import { type Clock, type Timer } from './clock.js';
import { detached } from './detached.js';

/** An entry of a {@link TimerWheel}; in one wheel at a time. */
export interface WheelTimer {
  /** Internal: the slot that it waits in; undefined: none. */
  slot: WheelSlot | undefined;
  /** Internal: its index in the slot. */
  place: number;
  /** Internal: insertion order, which decides between entries due at the same time. */
  order: number;
  /** When it is due, by `Clock.now()`; set before adding, and constant while it waits. */
  dueAt: number;
  /** Called when it is due, after it was removed. Must not throw. */
  timeIsOver(): void;
}

/** Slot width in milliseconds: wide enough that under load few entries need a clock timer of their own. */
const SLOT_MS = 16;

/**
 * Timeouts of everything in flight. Entries due within the same 16 ms share one timer of the clock, since nearly all of
 * them are removed before they are due; each still fires at its exact time. A hashed timing wheel (Varghese and Lauck,
 * "Hashed and Hierarchical Timing Wheels", 1987) that holds only occupied slots. With a spare it also keeps the slot
 * that emptied last: sequential single calls would otherwise set and cancel a clock timer each.
 */
export class TimerWheel {
  private readonly slots = new Map<number, WheelSlot>();
  private added = 0;
  /** May be empty. */
  private spare: WheelSlot | undefined;

  /** @param keepsSpare such a wheel must be closed */
  constructor(
    readonly clock: Clock,
    private keepsSpare = false,
  ) {}

  add(timer: WheelTimer): void {
    timer.order = ++this.added;
    const number = Math.floor(timer.dueAt / SLOT_MS);
    let slot = this.slots.get(number);
    if (!slot) this.slots.set(number, (slot = new WheelSlot(number, this)));
    slot.add(timer);
  }

  /** Idempotent, also after the entry was due. */
  remove(timer: WheelTimer): void {
    const { slot } = timer;
    if (!slot) return;
    slot.takeOut(timer);
    if (slot.isEmpty) this.emptied(slot);
  }

  /** Cancels the clock timers of empty slots. */
  close(): void {
    this.keepsSpare = false;
    if (this.spare?.isEmpty) this.drop(this.spare);
  }

  /** Internal to slots: removes an empty slot for good. */
  drop(slot: WheelSlot): void {
    slot.close();
    if (this.spare === slot) this.spare = undefined;
    // A new slot may have taken its place while its last timers fired.
    if (this.slots.get(slot.number) === slot) this.slots.delete(slot.number);
  }

  private emptied(slot: WheelSlot): void {
    if (!this.keepsSpare || !slot.rest()) {
      this.drop(slot);
      return;
    }
    const { spare } = this;
    if (spare !== slot && spare?.isEmpty) this.drop(spare);
    this.spare = slot;
  }
}

/** Entries due at about the same time. */
class WheelSlot {
  private readonly timers: WheelTimer[] = [];
  private call: Timer | undefined = undefined;
  /** When the clock timer fires: when the first entry is due, or was due before it was removed. */
  private callAt = Number.POSITIVE_INFINITY;

  constructor(
    readonly number: number,
    private readonly wheel: TimerWheel,
  ) {}

  get isEmpty(): boolean {
    return this.timers.length === 0;
  }

  add(timer: WheelTimer): void {
    if (this.isEmpty) this.call?.setKeepAlive?.(true);
    timer.slot = this;
    timer.place = this.timers.length;
    this.timers.push(timer);
    if (timer.dueAt < this.callAt) this.callBackAt(timer.dueAt);
  }

  takeOut(timer: WheelTimer): void {
    const last = this.timers.pop()!;
    if (last !== timer) {
      this.timers[timer.place] = last;
      last.place = timer.place;
    }
    timer.slot = undefined;
  }

  /** Stops keeping the process alive. @returns false if the clock does not support that */
  rest(): boolean {
    if (!this.call?.setKeepAlive) return false;
    this.call.setKeepAlive(false);
    return true;
  }

  close(): void {
    this.call?.cancel();
    this.call = undefined;
    this.callAt = Number.POSITIVE_INFINITY;
  }

  private endDue(): void {
    // The timer has fired, so changes during the loop must not touch it.
    this.call = undefined;
    this.callAt = Number.POSITIVE_INFINITY;
    const now = this.wheel.clock.now();
    const due = this.timers.filter(({ dueAt }) => dueAt <= now).sort((a, b) => a.dueAt - b.dueAt || a.order - b.order);
    for (const timer of due) {
      // Skip entries that another one removed in this loop.
      if (timer.slot !== this) continue;
      this.takeOut(timer);
      timer.timeIsOver();
    }
    if (this.isEmpty) this.wheel.drop(this);
    else this.callBackAt(this.timers.reduce((first, { dueAt }) => Math.min(first, dueAt), Number.POSITIVE_INFINITY));
  }

  private callBackAt(at: number): void {
    const { clock } = this.wheel;
    this.call?.cancel();
    this.callAt = at;
    this.call = detached(() => clock.setTimer(() => this.endDue(), at - clock.now()));
  }
}
