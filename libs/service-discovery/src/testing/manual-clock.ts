import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Clock, type Timer } from '../common/index.js';

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

/**
 * A clock that stands still until it is told to move. Timers fire in order of their time, and of their creation
 * where the time is the same.
 */
export class ManualClock implements Clock {
  private readonly pending = new Set<Pending>();
  private time = 0;
  private order = 0;

  /** @param startEpoch what `epoch()` answers at first, in milliseconds since 1970 */
  constructor(private startEpoch: number = Date.UTC(2026, 0, 1)) {}

  /** How many timers are waiting. */
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

  /** Moves time and fires what falls due, without letting promises run in between. */
  advance(ms: number): void {
    const target = this.time + ms;
    for (let next = this.earliest(target); next; next = this.earliest(target)) this.fire(next);
    this.time = target;
  }

  /** Moves time and fires what falls due; after each timer, promises that it settled run on. */
  async advanceAsync(ms: number): Promise<void> {
    const target = this.time + ms;
    await settle();
    for (let next = this.earliest(target); next; next = this.earliest(target)) {
      this.fire(next);
      await settle();
    }
    this.time = target;
    await settle();
  }

  /** Changes the wall clock alone, as a clock adjustment does. */
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

/** Lets promise chains run on: each turn of the loop drains the whole microtask queue. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await nextTurn();
}
