import { type OutcomeClass } from '../../common/index.js';

/** Permission for one call. Settle it when the call has ended, whatever the outcome. */
export interface CircuitPermit {
  /**
   * Records the outcome; `ignored` only returns the permit. Only the first call has an effect.
   * @param now `Clock.now()`, when the caller already has it
   */
  settle(outcome: OutcomeClass, now?: number): void;
}

/** Called when a permit is settled. */
export type PermitSettled = (permit: Permit, outcome: OutcomeClass, now: number | undefined) => void;

/** The breaker's own view of a permit. */
export class Permit implements CircuitPermit {
  private isSettled = false;

  /**
   * @param epoch in which the call began
   * @param startedAt 0 when the duration of the call does not matter
   */
  constructor(
    private readonly settled: PermitSettled,
    readonly epoch: number,
    readonly startedAt: number,
  ) {}

  settle(outcome: OutcomeClass, now?: number): void {
    if (this.isSettled) return;
    this.isSettled = true;
    this.settled(this, outcome, now);
  }
}

/**
 * The permits for probes of a half-open circuit. A probe that does not end holds its permit for `hungAfterMs` only, so
 * that a lost one cannot keep the circuit half open for ever.
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
