import { type Random } from '../../common/index.js';
import { type Candidate, candidateAt, type Strategy } from '../strategy.js';

interface Creditor extends Candidate {
  /** How many picks it is owed, in units of the sum of weights; negative: it had more than its share. */
  credit: number;
}

/**
 * In turn, each as often as its weight says: smooth weighted round robin, as nginx does it. With each pick everyone is
 * credited its weight, and who has most credit pays the sum. Over a full turn the shares are exact, and a heavy
 * instance's picks are spread out rather than bunched.
 */
export class WeightedRoundRobin implements Strategy<Creditor> {
  readonly isWeighted = true;
  private started = false;

  constructor(private readonly random: Random) {}

  admit(known: Candidate): Creditor {
    return Object.assign(known, { credit: 0 });
  }

  update(usual: readonly Creditor[]): void {
    this.limitCredit(usual);
    if (this.started || usual.length === 0) return;
    this.started = true;
    // A random place in the turn, so that processes that start together do not walk in step.
    for (let skip = Math.floor(this.random() * usual.length); skip > 0; skip--) this.choose(usual);
  }

  choose(candidates: readonly Creditor[]): Creditor {
    let total = 0;
    let chosen = candidateAt(candidates, 0);
    for (const candidate of candidates) {
      const { weight } = candidate;
      total += weight;
      candidate.credit += weight;
      if (candidate.credit > chosen.credit) chosen = candidate;
    }
    chosen.credit -= total;
    return chosen;
  }

  /** Debts of a time with larger weights would take forever to pay off with smaller ones. */
  private limitCredit(candidates: readonly Creditor[]): void {
    const total = candidates.reduce((sum, { weight }) => sum + weight, 0);
    for (const candidate of candidates) candidate.credit = Math.max(-total, Math.min(total, candidate.credit));
  }
}
