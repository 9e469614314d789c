import { type Clock, type Timer } from '../../common/index.js';

/** The part of `SchedulerRegistry` that is used here: `@nestjs/schedule` is optional, so it is not imported. */
export interface IntervalRegistry {
  addInterval(name: string, handle: unknown): void;
  deleteInterval(name: string): void;
  doesExist(type: 'interval', name: string): boolean;
}

/** What stands before the names of the library's timers. */
const TIMER_PREFIX = 'service-discovery:';

const STOPPED: Timer = { cancel: () => undefined };

/**
 * The library's background timers by name, to be listed in the app's `SchedulerRegistry`: whoever deletes one there
 * stops the work that it times. Without such a registry they are plain timers of the clock.
 */
export class ListedTimers {
  private readonly names = new Set<string>();
  private registry: IntervalRegistry | undefined;

  constructor(private readonly clock: Clock) {}

  /** A clock whose timers stand under one name, such as `heartbeats`. */
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

  /** Lists the timers; a name that is taken already is left alone. */
  listIn(registry: IntervalRegistry): void {
    for (const name of this.names) {
      // The entry stands for the timers that follow one another under its name, so it is none of Node's own handles.
      if (!registry.doesExist('interval', name)) registry.addInterval(name, { name });
    }
    this.registry = registry;
  }

  /** Takes the timers off the list, for good: what they time does not go on. */
  close(): void {
    for (const name of this.names) {
      if (this.registry?.doesExist('interval', name)) this.registry.deleteInterval(name);
    }
  }

  private isStopped(name: string): boolean {
    return this.registry !== undefined && !this.registry.doesExist('interval', name);
  }
}
