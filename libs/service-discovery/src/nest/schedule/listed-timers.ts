import { type Clock, type Timer } from '../../common/index.js';

/** The part of `SchedulerRegistry` that is used: `@nestjs/schedule` is optional, so it is not imported. */
export interface IntervalRegistry {
  addInterval(name: string, handle: unknown): void;
  deleteInterval(name: string): void;
  doesExist(type: 'interval', name: string): boolean;
}

/** Prefix of the library's timer names. */
const TIMER_PREFIX = 'service-discovery:';

const STOPPED: Timer = { cancel: () => undefined };

/**
 * The library's background timers by name, listed in the app's `SchedulerRegistry`: deleting one there stops its work.
 * Without such a registry they are plain timers of the clock.
 */
export class ListedTimers {
  private readonly names = new Set<string>();
  private registry: IntervalRegistry | undefined;

  constructor(private readonly clock: Clock) {}

  /** A clock whose timers are listed under one name, such as `heartbeats`. */
  clockFor(job: string): Clock {
    const name = TIMER_PREFIX + job;
    this.names.add(name);
    const { clock } = this;
    return {
      now: () => clock.now(),
      epoch: () => clock.epoch(),
      setTimer: (fn, ms, options) => {
        if (this.isStopped(name)) return STOPPED;
        return clock.setTimer(
          () => {
            if (!this.isStopped(name)) fn();
          },
          ms,
          options,
        );
      },
    };
  }

  /** Lists the timers; names that are already taken are skipped. */
  listIn(registry: IntervalRegistry): void {
    for (const name of this.names) {
      // The entry represents all consecutive timers of its name, so it is not a Node handle.
      if (!registry.doesExist('interval', name)) registry.addInterval(name, { name });
    }
    this.registry = registry;
  }

  /** Removes the timers for good; their work stops. */
  close(): void {
    for (const name of this.names) {
      if (this.registry?.doesExist('interval', name)) this.registry.deleteInterval(name);
    }
  }

  private isStopped(name: string): boolean {
    return this.registry !== undefined && !this.registry.doesExist('interval', name);
  }
}
