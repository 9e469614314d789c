import { type OutcomeClass } from '../common/index.js';

/** The right to make one call. Whoever took it settles it when the call has ended, however it ended. */
export interface CircuitPermit {
  /** Says how the call ended: `ignored` only gives the permit back. The first call counts, later ones do nothing. */
  settle(outcome: OutcomeClass): void;
}

/** As the circuit breaker knows it. */
export interface Permit extends CircuitPermit {
  readonly startedAt: number;
}

/**
 * Who may probe a half-open circuit. A probe that does not end takes its permit for `hungAfterMs` only, so that a lost
 * one cannot keep the circuit half open for ever.
 */
export class ProbePermits {
  /** Under way, oldest first. */
  private readonly probes = new Set<Permit>();

  constructor(
    private readonly permits: number,
    private readonly hungAfterMs: number,
  ) {}

  /** Permits that are taken. */
  taken(now: number): number {
    for (const probe of this.probes) {
      if (now < probe.startedAt + this.hungAfterMs) break;
      this.probes.delete(probe);
    }
    return this.probes.size;
  }

  /** Milliseconds until a permit is free at the latest; 0: there is one now. */
  waitMs(now: number): number {
    if (this.taken(now) < this.permits) return 0;
    const [oldest] = this.probes;
    return oldest ? oldest.startedAt + this.hungAfterMs - now : 0;
  }

  take(probe: Permit): void {
    this.probes.add(probe);
  }

  giveBack(probe: Permit): void {
    this.probes.delete(probe);
  }

  clear(): void {
    this.probes.clear();
  }
}
