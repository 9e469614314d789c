import { type Random } from '../../common/index.js';
import { type Candidate, candidateAt } from './strategy.js';
import { BinaryHeap } from './binary-heap.js';
import { TurnAccounts } from './turn-accounts.js';
import { type Absence, commonTo, idOf, join, takeOver, type TurnHistory } from './turn-history.js';

/** How far into a turn a process may begin, in picks for each candidate: longer turns need not be walked through. */
const START_WITHIN = 8;
/** What rounding may make of a point in time. */
const ROUNDING = 1e-12;

/**
 * The candidates of one list, waiting for their turns, so that the next is found in O(log n): those that may be picked,
 * by when they should be at the latest, and the others by when they may be at the earliest.
 */
export class TurnQueue implements TurnHistory {
  readonly accounts: TurnAccounts;
  readonly away: ReadonlyMap<string, Absence>;
  /** Places in the list. */
  private readonly waiting: BinaryHeap;
  private readonly open: BinaryHeap;
  private isLinedUp = false;
  /** Picks in a turn, and those since it began. */
  private shares = 0;
  private taken = 0;
  private picks: number;

  /** @param before the queue of the list that this one succeeds, to go on from where that was */
  constructor(
    readonly list: readonly Candidate[],
    random: Random,
    before?: TurnQueue,
  ) {
    const accounts = new TurnAccounts(list.length);
    this.accounts = accounts;
    this.waiting = new BinaryHeap(list.length, (a, b) => accounts.opensBefore(a, b));
    this.open = new BinaryHeap(list.length, (a, b) => accounts.isDueBefore(a, b));
    this.picks = before?.picks ?? 0;
    const { joining, away } = takeOver(list, accounts, before);
    this.away = away;
    const isSucceeding = before !== undefined && joining.length < list.length;
    const time = isSucceeding ? before.time : 0;
    if (joining.length > 0) join(list, joining, { accounts, time, random });
    accounts.balance(time);
    this.settle();
    if (isSucceeding) return;
    // Anywhere in the turn, so that processes that start together do not walk in step.
    for (let skip = Math.floor(random() * Math.min(this.shares, START_WITHIN * list.length)); skip > 0; skip--) {
      this.take();
    }
  }

  /** Whose turn it is; the next one's after that. */
  take(): Candidate {
    return this.charged(this.next());
  }

  /** Whose turn it is of all but a few, who keep theirs. */
  takeExcept(skipped: readonly Candidate[]): Candidate {
    const before: number[] = [];
    let place = this.next();
    for (; skipped.includes(candidateAt(this.list, place)); place = this.next()) before.push(place);
    const taken = this.charged(place);
    this.forgive(before);
    for (const missed of before) this.enqueue(missed);
    return taken;
  }

  /** Whose turn it is among some of the list; undefined where none of them is of the list. */
  takeAmong(candidates: readonly Candidate[]): Candidate | undefined {
    const { accounts } = this;
    const ids = new Set(candidates.map(idOf));
    const places = [...this.list.keys()];
    const left = places.filter((place) => ids.has(idOf(candidateAt(this.list, place))));
    const now = (sum(left, accounts.taken) + 1) / sum(left, accounts.shares);
    let first: number | undefined;
    for (const place of left) {
      accounts.schedule(place, left.length);
      const mayBePicked = (accounts.opens[place] ?? 0) <= now + ROUNDING;
      if (mayBePicked && (first === undefined || accounts.isDueBefore(place, first))) first = place;
    }
    if (first === undefined) return undefined;
    this.charge(first);
    // The others are not owed all that they miss meanwhile.
    const others = places.filter((place) => !ids.has(idOf(candidateAt(this.list, place))));
    accounts.forgiveMissed(others, now);
    this.settle();
    return candidateAt(this.list, first);
  }

  /** How much of it, and of a list, are the same: from 0 to 1. */
  likenessTo(list: readonly Candidate[]): number {
    return commonTo(this.list, list) / Math.max(this.list.length, list.length);
  }

  /** In turns since the present one began. */
  get time(): number {
    return this.taken / this.shares;
  }

  /** Takes out of the queue whose turn it is. */
  private next(): number {
    const { waiting, open, accounts } = this;
    const now = (this.taken + 1) / this.shares + ROUNDING;
    if (!this.isLinedUp) this.lineUp(now);
    for (let next = waiting.first; next !== undefined && (accounts.opens[next] ?? 0) <= now; next = waiting.first) {
      waiting.pop();
      open.push(next);
    }
    const place = open.pop() ?? waiting.pop();
    if (place === undefined) throw new RangeError('Nobody takes turns');
    return place;
  }

  /** Puts back whom `next` gave, with its turn taken. */
  private charged(place: number): Candidate {
    this.charge(place);
    this.enqueue(place);
    // Not after each turn of fewer picks than there are candidates, since this goes through all of them.
    if (this.taken >= this.shares && this.taken >= this.list.length) this.settle();
    return candidateAt(this.list, place);
  }

  /** Those who are skipped over are not owed all that they miss meanwhile. */
  private forgive(missed: readonly number[]): void {
    const { accounts } = this;
    const time = (this.taken - sum(missed, accounts.taken)) / (this.shares - sum(missed, accounts.shares));
    this.taken += accounts.forgiveMissed(missed, time);
  }

  private enqueue(place: number): void {
    this.accounts.schedule(place);
    this.waiting.push(place);
  }

  private charge(place: number): void {
    this.accounts.charge(place, ++this.picks);
    this.taken++;
  }

  /** Adds up, and begins to count anew after a turn: accounts may have changed in any way. */
  private settle(): void {
    const { accounts } = this;
    this.isLinedUp = false;
    this.shares = 0;
    this.taken = 0;
    for (let place = 0; place < accounts.count; place++) {
      this.shares += accounts.shareOf(place);
      this.taken += accounts.takenBy(place);
    }
    const turns = Math.floor(this.time);
    if (turns === 0) return;
    this.taken -= turns * this.shares;
    accounts.forget(turns);
  }

  private lineUp(now: number): void {
    const { accounts, open, waiting } = this;
    open.clear();
    waiting.clear();
    for (let place = 0; place < accounts.count; place++) {
      accounts.schedule(place);
      ((accounts.opens[place] ?? 0) <= now ? open : waiting).append(place);
    }
    open.order();
    waiting.order();
    this.isLinedUp = true;
  }
}

function sum(places: readonly number[], of: Float64Array): number {
  return places.reduce((all, place) => all + (of[place] ?? 0), 0);
}
