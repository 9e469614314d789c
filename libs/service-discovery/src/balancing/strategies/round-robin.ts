import { type Random } from '../../common/index.js';
import { type Candidate, candidateAt, type Strategy, type Wish } from '../strategy.js';

interface Waiting extends Candidate {
  /** Grows with each pick: who has the smallest has waited longest. */
  turn: number;
  /** Where it waits. */
  line: Line | undefined;
}

/**
 * In turn: whoever has waited longest is next. That stays fair where a counter over the list does not: when the list
 * changes between picks, when picks choose from different parts of it, and when nobody is left for a while.
 *
 * The order is random, so that many processes that start together do not all call the same instance first, nor leave
 * the calls of one that fails to the same next one; an instance that joins gets a random place for the same reason.
 */
export class RoundRobin implements Strategy<Waiting> {
  readonly goesBy = 'turns';
  /** By the list that they are of. */
  private readonly lines = new WeakMap<readonly Waiting[], Line>();
  private turns = 0;
  /** How many take turns. */
  private count = 1;

  constructor(private readonly random: Random) {}

  admit(known: Candidate): Waiting {
    return Object.assign(known, { turn: this.turns - this.random() * this.count, line: undefined });
  }

  choose(candidates: readonly Waiting[], { base }: Wish<Waiting>): Waiting {
    const chosen = candidates === base ? this.lineOf(base).next() : longestWaiting(candidates);
    chosen.turn = ++this.turns;
    return chosen;
  }

  private lineOf(base: readonly Waiting[]): Line {
    let line = this.lines.get(base);
    if (!line) this.lines.set(base, (line = new Line(base)));
    this.count = base.length;
    return line;
  }
}

/** Out of turn, so that the line in which it waits has to be put in order before it is used again. */
function longestWaiting(candidates: readonly Waiting[]): Waiting {
  let chosen = candidateAt(candidates, 0);
  for (const candidate of candidates) if (candidate.turn < chosen.turn) chosen = candidate;
  chosen.line?.disturb();
  return chosen;
}

/** Everyone of a list, longest wait first, around the end. */
class Line {
  private readonly members: Waiting[];
  private first = 0;
  private isInOrder = false;

  constructor(list: readonly Waiting[]) {
    this.members = [...list];
  }

  next(): Waiting {
    if (!this.isInOrder) this.putInOrder();
    const next = candidateAt(this.members, this.first);
    this.first = this.first + 1 === this.members.length ? 0 : this.first + 1;
    return next;
  }

  disturb(): void {
    this.isInOrder = false;
  }

  private putInOrder(): void {
    for (const member of this.members) {
      // Picks from one list change the order of the others that it has members in common with.
      if (member.line !== this) member.line?.disturb();
      member.line = this;
    }
    this.members.sort((a, b) => a.turn - b.turn);
    this.first = 0;
    this.isInOrder = true;
  }
}
