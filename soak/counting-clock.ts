import { type Clock, systemClock, type Timer, type TimerOptions } from 'nest-service-discovery/core';

/** The machine's clock; counts timers that have neither fired nor been cancelled. */
export class CountingClock implements Clock {
  private readonly waiting = new Set<object>();

  get pendingTimers(): number {
    return this.waiting.size;
  }

  now(): number {
    return systemClock.now();
  }

  epoch(): number {
    return systemClock.epoch();
  }

  setTimer(fn: () => void, ms: number, options?: TimerOptions): Timer {
    const entry = {};
    this.waiting.add(entry);
    const fire = (): void => {
      this.waiting.delete(entry);
      fn();
    };
    const timer = systemClock.setTimer(fire, ms, options);
    return {
      cancel: () => {
        this.waiting.delete(entry);
        timer.cancel();
      },
    };
  }
}
