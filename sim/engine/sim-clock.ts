import { type Clock, type Timer } from 'nest-service-discovery/core';
import { EventQueue, type SimEvent } from './event-queue.js';

/** After this many events the event loop gets a turn, for signals and other waiters. */
const EVENTS_A_TURN = 20_000;

/**
 * Simulated time, which jumps from timer to timer. In between, the simulated code runs until it waits for the next
 * timer; it is the same code as in production, at several hundred times the speed.
 *
 * Participants may only wait for promises and for timers of this clock: the outside world (a socket, a file) would
 * answer too late.
 */
export class SimClock implements Clock {
  private readonly queue = new EventQueue();
  private time = 0;
  private order = 0;

  /** @param startEpoch initial value of `epoch()`, in milliseconds since 1970 */
  constructor(private readonly startEpoch: number = Date.UTC(2026, 0, 1)) {}

  now(): number {
    return this.time;
  }

  epoch(): number {
    return this.startEpoch + this.time;
  }

  setTimer(fn: () => void, ms: number): Timer {
    const event: SimEvent = { at: this.time + Math.max(0, ms), order: this.order++, fn };
    this.queue.push(event);
    return { cancel: () => void (event.fn = undefined) };
  }

  /** Resolves after `ms` simulated milliseconds. */
  after(ms: number): Promise<void> {
    return new Promise((resolve) => void this.setTimer(resolve, ms));
  }

  /**
   * Advances time until all events up to then have happened.
   * @param until on this clock
   */
  async run(until: number): Promise<void> {
    await afterMicrotasks();
    for (let events = 1; this.fireNext(until); events++) {
      await afterMicrotasks();
      if (events % EVENTS_A_TURN === 0) await new Promise(setImmediate);
    }
    this.time = until;
  }

  private fireNext(until: number): boolean {
    for (let next = this.queue.peek(); next !== undefined && next.at <= until; next = this.queue.peek()) {
      this.queue.pop();
      const { fn } = next;
      if (fn === undefined) continue;
      this.time = next.at;
      fn();
      return true;
    }
    return false;
  }
}

/**
 * Resolves when all promises that do not depend on a timer have settled. Node runs `nextTick` callbacks only when no
 * microtask is left, and several of them in a row; so use two, with a microtask in between.
 */
function afterMicrotasks(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(() => queueMicrotask(() => process.nextTick(resolve)));
  });
}
