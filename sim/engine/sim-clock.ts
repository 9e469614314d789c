import { type Clock, type Timer } from 'nest-service-discovery/core';
import { EventQueue, type SimEvent } from './event-queue.js';

/** After so many events the loop of the process has a turn, for signals and for whoever else waits. */
const EVENTS_A_TURN = 20_000;

/**
 * Simulated time. It jumps from one timer to the next; in between, the code under simulation runs on until it waits for
 * the next timer, so it is the same code that runs in production, at some hundred times the speed.
 *
 * Nothing that takes part may wait for anything but timers of this clock and promises: what the world outside would
 * answer (a socket, a file) comes too late.
 */
export class SimClock implements Clock {
  private readonly queue = new EventQueue();
  private time = 0;
  private order = 0;

  /** @param startEpoch what `epoch()` answers at first, in milliseconds since 1970 */
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

  /** Resolves in `ms` simulated milliseconds. */
  after(ms: number): Promise<void> {
    return new Promise((resolve) => void this.setTimer(resolve, ms));
  }

  /**
   * Lets time pass until all that falls due up to then has happened.
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
 * Resolves when all promises that can settle without a timer have settled. Node runs what `nextTick` was given only when
 * no microtask is left, but several of those in a row; hence two of them, with a microtask in between.
 */
function afterMicrotasks(): Promise<void> {
  return new Promise((resolve) => {
    process.nextTick(() => queueMicrotask(() => process.nextTick(resolve)));
  });
}
