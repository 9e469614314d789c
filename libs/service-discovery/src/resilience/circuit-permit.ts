import { type OutcomeClass } from '../common/index.js';

/** The right to make one call. Whoever took it settles it when the call has ended, however it ended. */
export interface CircuitPermit {
  /**
   * Says how the call ended: `ignored` only gives the permit back. The first call counts, later ones do nothing.
   * @param now the clock's time, from who knows it already
   */
  settle(outcome: OutcomeClass, now?: number): void;
}

/** What a permit's end is told to. */
export type PermitSettled = (permit: Permit, outcome: OutcomeClass, now: number | undefined) => void;

/** As the circuit breaker knows it. */
export class Permit implements CircuitPermit {
  private isSettled = false;

  /**
   * @param epoch in which the call began
   * @param startedAt 0 where nobody asks how long the call took
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
