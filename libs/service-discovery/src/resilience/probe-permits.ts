import { type Permit } from './circuit-permit.js';

/**
 * Who may probe a half-open circuit. A probe that does not end takes its permit for `hungAfterMs` only, so that a lost
 * one cannot keep the circuit half open for ever.
 */
export class ProbePermits {
  /** Under way, oldest first. */
  private readonly probes: Permit[] = [];

  constructor(
    private readonly permits: number,
    private readonly hungAfterMs: number,
  ) {}

  /** Permits that are taken. */
  taken(now: number): number {
    while (this.waitForOldest(now) <= 0) this.probes.shift();
    return this.probes.length;
  }

  /** Milliseconds until a permit is free at the latest; 0: there is one now. */
  waitMs(now: number): number {
    return this.taken(now) < this.permits ? 0 : this.waitForOldest(now);
  }

  take(probe: Permit): void {
    this.probes.push(probe);
  }

  giveBack(probe: Permit): void {
    const place = this.probes.indexOf(probe);
    if (place >= 0) this.probes.splice(place, 1);
  }

  clear(): void {
    this.probes.length = 0;
  }

  private waitForOldest(now: number): number {
    const [oldest] = this.probes;
    return oldest === undefined ? Number.POSITIVE_INFINITY : oldest.startedAt + this.hungAfterMs - now;
  }
}
