import { type Clock, type Random } from '../../common/index.js';

/** So many tries in a second, of all processes together, are more than enough for a sweep to begin in time. */
const TRIES_PER_SECOND = 1_000;
/** Where a fleet shrinks, what is left of it tries too rarely for about so long. */
const LONGEST_INTERVAL_MS = 30_000;

/**
 * When a process may try for the turn to sweep. All try at one key, so at one server of a Cluster: up to a thousand
 * processes at each pulse, more of them less often, so that their tries together stay at a thousand a second.
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

  /** There was a try, which told how many processes there are. */
  tried(processes: number): void {
    const intervalMs = Math.min(LONGEST_INTERVAL_MS, (processes / TRIES_PER_SECOND) * 1_000);
    const isAtEachPulse = processes <= TRIES_PER_SECOND;
    // Half as long to half as long again, so that processes do not fall into step.
    this.dueAt = isAtEachPulse ? Number.NEGATIVE_INFINITY : this.clock.now() + intervalMs * (0.5 + this.random());
  }
}
