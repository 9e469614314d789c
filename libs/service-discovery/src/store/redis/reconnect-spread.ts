import { type Clock, type Random } from '../../common/index.js';

/**
 * What the return of one process costs Redis: two connections, two subscriptions, the list of names, and its own
 * registration, renewed, then made again. Each service that it reads is one more.
 */
const COMMANDS_PER_RETURN = 10;
/** What all that return at once may cost Redis in a second, beside what it does anyhow. */
const COMMANDS_PER_SECOND = 1_000;
/** The time between the first heartbeats of a default lease: who waits longer is taken for dead before it is back. */
const LONGEST_WINDOW_MS = 30_000;
/** What is left of a fleet's size when it is told anew: while processes return, those that are back count only each other. */
const MEMORY = 0.98;

/**
 * When a process that lost Redis may turn to it again. Whatever lost it together returns spread over a window that grows
 * with the number of processes: some milliseconds for a few, 11 s for a thousand that read one service. The moment is
 * even over the window ("full jitter"; Brooker, Exponential Backoff And Jitter, 2015), one for all connections of a
 * process.
 */
export class ReconnectSpread {
  private processes = 1;
  private dueAt = Number.NEGATIVE_INFINITY;

  /** @param servicesRead how many services this process reads again at its return */
  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly servicesRead: () => number,
  ) {}

  /** The time in which all are back, in milliseconds. */
  get windowMs(): number {
    const commands = this.processes * (COMMANDS_PER_RETURN + this.servicesRead());
    return Math.min(LONGEST_WINDOW_MS, (commands / COMMANDS_PER_SECOND) * 1_000);
  }

  /** Takes in how many processes there are. */
  fleetSeen(processes: number): void {
    this.processes = Math.max(1, processes, this.processes * MEMORY);
  }

  /** A connection was lost, or could not be made: draws the moment of return, unless one is yet to come. */
  lost(): void {
    const now = this.clock.now();
    if (this.dueAt <= now) this.dueAt = now + this.random() * this.windowMs;
  }

  /** How long until the moment of return, in milliseconds; 0 when it is past, or nothing was lost. */
  get waitMs(): number {
    return Math.max(0, this.dueAt - this.clock.now());
  }
}
