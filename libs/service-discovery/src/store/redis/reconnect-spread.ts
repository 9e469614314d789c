import { type Clock, type Random } from '../../common/index.js';

/**
 * The commands that the return of one process costs Redis: two connections, two subscriptions, the list of names, and
 * its own registration, renewed and then made again. Each service that it reads adds one.
 */
const COMMANDS_PER_RETURN = 10;
/** The commands per second that all returning processes together may add to the load of Redis. */
const COMMANDS_PER_SECOND = 1_000;
/** The heartbeat interval of a default lease. A process that returned later would have missed heartbeats. */
const LONGEST_WINDOW_MS = 30_000;
/** How fast the known fleet size decays: processes that return first count only each other. */
const MEMORY = 0.98;

/**
 * When a process that lost Redis may reconnect. Processes that lost it together are spread over a window that grows
 * with their number: some milliseconds for a few, 11 s for a thousand that read one service each. The moment is uniform
 * over the window ("full jitter"; Brooker, Exponential Backoff And Jitter, 2015) and the same for all connections of a
 * process.
 */
export class ReconnectSpread {
  private processes = 1;
  private dueAt = Number.NEGATIVE_INFINITY;

  /** @param servicesRead how many services this process reads again when it returns */
  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly servicesRead: () => number,
  ) {}

  /** The time within which all processes return, in milliseconds. */
  get windowMs(): number {
    const commands = this.processes * (COMMANDS_PER_RETURN + this.servicesRead());
    return Math.min(LONGEST_WINDOW_MS, (commands / COMMANDS_PER_SECOND) * 1_000);
  }

  /** Updates the number of processes. */
  fleetSeen(processes: number): void {
    this.processes = Math.max(1, processes, this.processes * MEMORY);
  }

  /** A connection was lost or could not be made: draws the time of return, unless one is pending. */
  lost(): void {
    const now = this.clock.now();
    if (this.dueAt <= now) this.dueAt = now + this.random() * this.windowMs;
  }

  /** The time until the return, in milliseconds; 0 if it has passed or nothing was lost. */
  get waitMs(): number {
    return Math.max(0, this.dueAt - this.clock.now());
  }
}
