import { type Random } from '../../common/index.js';
import { type Candidate, candidateAt, type Strategy, type Wish } from '../strategy.js';
import { PerList } from './per-list.js';

/** So many join an order one by one; with more it is made anew. */
const FEW = 16;

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
  private readonly lines = new PerList((list: readonly Waiting[]) => new Line(list));
  private turns = 0;
  /** How many take turns. */
  private count = 1;

  constructor(private readonly random: Random) {}

  admit(known: Candidate): Waiting {
    return Object.assign(known, { turn: this.turns - this.random() * this.count, line: undefined });
  }

  choose(candidates: readonly Waiting[], { base }: Wish<Waiting>): Waiting {
    return this.charge(candidates === base ? this.lineOf(base).next() : longestWaiting(candidates));
  }

  chooseExcept(passed: readonly Waiting[], { base }: Wish<Waiting>): Waiting {
    return this.charge(this.lineOf(base).nextExcept(passed));
  }

  private charge(chosen: Waiting): Waiting {
    chosen.turn = ++this.turns;
    return chosen;
  }

  private lineOf(base: readonly Waiting[]): Line {
    this.count = base.length;
    return this.lines.of(base);
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
  private members: Waiting[];
  private first = 0;
  private isNew = true;
  private isInOrder = false;

  constructor(list: readonly Waiting[]) {
    this.members = [...list];
  }

  next(): Waiting {
    if (!this.isInOrder) this.putInOrder();
    const next = candidateAt(this.members, this.first);
    this.first = this.after(this.first);
    return next;
  }

  /** The first who is not passed over. */
  nextExcept(passed: readonly Waiting[]): Waiting {
    if (!this.isInOrder) this.putInOrder();
    const { members } = this;
    let place = this.first;
    while (passed.includes(candidateAt(members, place))) place = this.after(place);
    const next = candidateAt(members, place);
    // It goes to the end, so those before it move one place on, and are still the first.
    for (; place !== this.first; place = this.before(place)) members[place] = candidateAt(members, this.before(place));
    members[place] = next;
    this.first = this.after(place);
    return next;
  }

  private after(place: number): number {
    return place + 1 === this.members.length ? 0 : place + 1;
  }

  private before(place: number): number {
    return (place === 0 ? this.members.length : place) - 1;
  }

  disturb(): void {
    this.isInOrder = false;
  }

  private putInOrder(): void {
    const before = this.isNew ? this.members.find(({ line }) => line !== undefined)?.line : undefined;
    if (before) {
      this.takeOver(before);
    } else {
      for (const member of this.members) this.take(member);
      this.members.sort(byTurn);
    }
    this.first = 0;
    this.isInOrder = true;
    this.isNew = false;
  }

  /** A new list goes on from the line in which its first waits: its order, but for those who join, is there already. */
  private takeOver(before: Line): void {
    const joining: Waiting[] = [];
    for (const member of this.members) {
      if (member.line === before) member.line = this;
      else joining.push(member);
    }
    const { isInOrder } = before;
    const members = before.sequence().filter(({ line }) => line === this);
    before.disturb();
    for (const member of joining) this.take(member);
    if (isInOrder && joining.length <= FEW) {
      for (const member of joining) members.splice(placeFor(member, members), 0, member);
    } else {
      for (const member of joining) members.push(member);
      members.sort(byTurn);
    }
    this.members = members;
  }

  /** Picks from one list change the order of the others that it has members in common with. */
  private take(member: Waiting): void {
    if (member.line !== this) member.line?.disturb();
    member.line = this;
  }

  /** From the longest wait to the shortest, unless it was disturbed. */
  private sequence(): Waiting[] {
    return [...this.members.slice(this.first), ...this.members.slice(0, this.first)];
  }
}

function byTurn(a: Waiting, b: Waiting): number {
  return a.turn - b.turn;
}

/** Where somebody has to stand among others who are in order. */
function placeFor({ turn }: Waiting, members: readonly Waiting[]): number {
  let [from, to] = [0, members.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (candidateAt(members, middle).turn <= turn) from = middle + 1;
    else to = middle;
  }
  return from;
}
