import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Clock, type Timer } from '../common/index.js';

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

/**
 * A clock that only moves when told to. Timers fire in order of their time; timers of the same time, in order of their
 * creation.
 */
export class ManualClock implements Clock {
  private readonly pending = new Set<Pending>();
  private time = 0;
  private order = 0;

  /** @param startEpoch the initial value of `epoch()`, in milliseconds since 1970 */
  constructor(private startEpoch: number = Date.UTC(2026, 0, 1)) {}

  /** The number of pending timers. */
  get pendingTimers(): number {
    return this.pending.size;
  }

  now(): number {
    return this.time;
  }

  epoch(): number {
    return this.startEpoch + this.time;
  }

  setTimer(fn: () => void, ms: number): Timer {
    const entry: Pending = { at: this.time + Math.max(0, ms), order: this.order++, fn };
    this.pending.add(entry);
    return { cancel: () => void this.pending.delete(entry) };
  }

  /** Moves the time and fires due timers, without running promise callbacks in between. */
  advance(ms: number): void {
    const target = this.time + ms;
    for (let next = this.earliest(target); next; next = this.earliest(target)) this.fire(next);
    this.time = target;
  }

  /** Moves the time and fires due timers, running promise callbacks after each. */
  async advanceAsync(ms: number): Promise<void> {
    const target = this.time + ms;
    await flushPromises();
    for (let next = this.earliest(target); next; next = this.earliest(target)) {
      this.fire(next);
      await flushPromises();
    }
    this.time = target;
    await flushPromises();
  }

  /** Changes the wall clock only, like a clock adjustment. */
  shiftEpoch(ms: number): void {
    this.startEpoch += ms;
  }

  private fire(entry: Pending): void {
    this.pending.delete(entry);
    this.time = entry.at;
    entry.fn();
  }

  private earliest(until: number): Pending | undefined {
    let best: Pending | undefined;
    for (const entry of this.pending) {
      if (entry.at > until) continue;
      if (!best || entry.at < best.at || (entry.at === best.at && entry.order < best.order)) best = entry;
    }
    return best;
  }
}

/** Runs pending promise callbacks: each turn of the event loop drains the microtask queue. */
async function flushPromises(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await nextTurn();
}
