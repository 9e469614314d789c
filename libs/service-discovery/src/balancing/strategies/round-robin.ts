import { type Random } from '../../common/index.js';
import { type Candidate, candidateAt, type Strategy } from '../strategy.js';

interface Waiting extends Candidate {
  /** Grows with each pick: who has the smallest has waited longest. */
  turn: number;
}

/**
 * In turn: whoever has waited longest is next. That stays fair where a counter over the list does not: when the list
 * changes between picks, and when picks choose from different parts of it.
 *
 * The start is random, so that many processes that start together do not all call the same instance first; an
 * instance that joins gets a random place in the queue for the same reason.
 */
export class RoundRobin implements Strategy<Waiting> {
  private usual: readonly Waiting[] = [];
  /** The usual candidates, longest wait first from `next` on, around the end. */
  private queue: readonly Waiting[] = [];
  private next = 0;
  private turns = 0;

  constructor(private readonly random: Random) {}

  admit(known: Candidate): Waiting {
    return Object.assign(known, { turn: this.turns - this.random() * this.queue.length });
  }

  update(usual: readonly Waiting[]): void {
    if (this.queue.length === 0) {
      const offset = Math.floor(this.random() * usual.length);
      usual.forEach((candidate, index) => {
        candidate.turn = this.turns + ((index - offset + usual.length) % usual.length) - usual.length;
      });
    }
    this.usual = usual;
    this.queue = usual.toSorted((a, b) => a.turn - b.turn);
    this.next = 0;
  }

  choose(candidates: readonly Waiting[]): Waiting {
    const chosen = candidates === this.usual ? this.nextInQueue() : this.longestWaiting(candidates);
    chosen.turn = ++this.turns;
    return chosen;
  }

  private nextInQueue(): Waiting {
    const chosen = candidateAt(this.queue, this.next);
    this.next = this.next + 1 === this.queue.length ? 0 : this.next + 1;
    return chosen;
  }

  private longestWaiting(candidates: readonly Waiting[]): Waiting {
    const chosen = candidates.reduce((best, candidate) => (candidate.turn < best.turn ? candidate : best));
    this.moveToEnd(chosen);
    return chosen;
  }

  /** Out of turn, so the queue has to follow; it need not be sorted again for that. */
  private moveToEnd(chosen: Waiting): void {
    const index = this.queue.indexOf(chosen);
    if (index < 0) return;
    const before = index < this.next ? this.next - 1 : this.next;
    const others = this.queue.toSpliced(index, 1);
    this.queue = [...others.slice(before), ...others.slice(0, before), chosen];
    this.next = 0;
  }
}
