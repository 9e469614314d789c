import { type Clock, type Timer } from './clock.js';
import { detached } from './detached.js';

/** What may wait in a {@link TimerWheel}, in one wheel at a time. */
export interface WheelTimer {
  /** The wheel's own: where it waits; undefined: nowhere. */
  slot: WheelSlot | undefined;
  /** The wheel's own: its place there. */
  place: number;
  /** The wheel's own: of two that are due at once the one that was added first ends first. */
  order: number;
  /** When its time is over, by `Clock.now()`; set before it is added, and left alone while it waits. */
  dueAt: number;
  /** Called when its time is over. It waits no more then, and must not throw. */
  timeIsOver(): void;
}

/** Milliseconds of a slot: wide enough that under load hardly anything that is added needs a timer of its own. */
const SLOT_MS = 16;

/**
 * The limits of time of all that is under way: one timer of the clock for those that end within the same 16 ms, in place
 * of one each, since nearly all are taken out before they end. Each still ends at its own moment. It is a hashed wheel
 * (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987) of which those slots exist that somebody waits in,
 * and, in a wheel that keeps a spare, the last one that somebody waited in: what comes one after the other, each alone, would set
 * a timer of the clock and cancel it each time.
 */
export class TimerWheel {
  private readonly slots = new Map<number, WheelSlot>();
  private added = 0;
  /** Nobody may be waiting in it. */
  private spare: WheelSlot | undefined;

  /** @param keepsSpare a wheel that does has to be closed */
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

  /** Safe to call again, and after its time is over. */
  remove(timer: WheelTimer): void {
    const { slot } = timer;
    if (!slot) return;
    slot.takeOut(timer);
    if (slot.isEmpty) this.emptied(slot);
  }

  /** Leaves no timer of the clock but for those who wait still. */
  close(): void {
    this.keepsSpare = false;
    if (this.spare?.isEmpty) this.drop(this.spare);
  }

  /** A slot's own: nobody waits in it, and nobody will. */
  drop(slot: WheelSlot): void {
    slot.close();
    if (this.spare === slot) this.spare = undefined;
    // Another one may have taken its place while the last of its timers ended.
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

/** Those that end at about the same time. */
class WheelSlot {
  private readonly timers: WheelTimer[] = [];
  private call: Timer | undefined = undefined;
  /** When the clock calls: when the first is due, or was to be before it was taken out. */
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

  /** Lets the process end meanwhile. @returns false: the clock cannot do that */
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
    // It has fired: those who come or go meanwhile have nothing to tell it.
    this.call = undefined;
    this.callAt = Number.POSITIVE_INFINITY;
    const now = this.wheel.clock.now();
    const due = this.timers.filter(({ dueAt }) => dueAt <= now).sort((a, b) => a.dueAt - b.dueAt || a.order - b.order);
    for (const timer of due) {
      // One that another one takes out meanwhile does not end.
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
