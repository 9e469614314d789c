import { type Clock, type Random } from '../../common/index.js';

/** Attempts per second, over all processes, that are more than enough to start each sweep in time. */
const TRIES_PER_SECOND = 1_000;
/** When a fleet shrinks, the remaining processes try too rarely for about this long. */
const LONGEST_INTERVAL_MS = 30_000;

/**
 * When a process may try to become the sweeper. All processes try at one key, and so at one server of a Cluster: up to
 * a thousand processes try once a second, more of them less often, so that all together make a thousand attempts a
 * second.
 */
export class SweepPace {
  private dueAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly clock: Clock,
    private readonly random: Random,
  ) {}

  get isDue(): boolean {
    return this.clock.now() >= this.dueAt;
  }

  /** Call it after each attempt, with the number of processes that it returned. */
  tried(processes: number): void {
    const intervalMs = Math.min(LONGEST_INTERVAL_MS, (processes / TRIES_PER_SECOND) * 1_000);
    const isUnlimited = processes <= TRIES_PER_SECOND;
    // Jittered by half, so that processes do not synchronize.
    this.dueAt = isUnlimited ? Number.NEGATIVE_INFINITY : this.clock.now() + intervalMs * (0.5 + this.random());
  }
}
