import { differenceOf, type Random } from '../../common/index.js';
import { type Candidate, candidateAt } from './strategy.js';

/** A random start is at most this many picks per candidate into a turn, so that it is found quickly. */
const MAX_START = 8;
/** Tolerance for the rounding error of virtual time. */
const ROUNDING = 1e-12;

/**
 * Picks in proportion to weights: of the eligible candidates, the one with the earliest deadline, in O(log n), as EEVDF does
 * (Stoica and Abdel-Wahab, "Earliest Eligible Virtual Deadline First", 1995). A turn is as many picks as the weights add up to,
 * and time is counted in turns. The lag of a candidate is the number of picks that it is owed: its weight times the time, less
 * the picks that it had.
 *
 * Eligibility and deadlines are Tijdeman's ("The chairman assignment problem", 1980): no lag exceeds 1 - 1 / (2n - 2) picks
 * either way, the least that is possible among n candidates.
 */
export class WrrScheduler {
  private readonly weights: Float64Array;
  /** Picks in this turn, with fractions after a change of the list. */
  private readonly taken: Float64Array;
  /** The number of the last pick: of equal candidates, the one that has waited longest is next. */
  private readonly lastPicks: Float64Array;
  /** When the next pick is allowed, and when it is due. */
  private readonly eligibleAt: Float64Array;
  private readonly deadlines: Float64Array;
  private readonly total: number;
  /** The part of a pick by which eligibility comes after its ideal time, and the deadline before it. */
  private readonly slack: number;
  private readonly waiting: BinaryHeap;
  private readonly eligible: BinaryHeap;
  /** By id, the last to leave at the end. A lag does not change during an absence. */
  private readonly absent: Map<string, { readonly lag: number; readonly lastPick: number }>;
  /** Picks since the turn began. */
  private clock = 0;
  private picks: number;

  /** @param before the scheduler of a list with members in common, to continue from */
  constructor(
    readonly list: readonly Candidate[],
    random: Random,
    before?: WrrScheduler,
  ) {
    const count = list.length;
    this.weights = new Float64Array(list.map(({ weight }) => weight));
    this.taken = new Float64Array(count);
    this.lastPicks = new Float64Array(count);
    this.eligibleAt = new Float64Array(count);
    this.deadlines = new Float64Array(count);
    this.total = this.weights.reduce((sum, weight) => sum + weight, 0);
    this.slack = 1 / Math.max(2 * count - 2, 2);
    this.waiting = new BinaryHeap(count, (a, b) => this.eligibleAt[a]! < this.eligibleAt[b]!);
    this.eligible = new BinaryHeap(count, (a, b) => this.isBefore(a, b));
    this.absent = new Map(before?.absent);
    this.picks = before?.picks ?? 0;
    if (before) this.continueFrom(before, random);
    else this.lastPicks.forEach((_, index, lastPicks) => (lastPicks[index] = random() - 1));
    this.startTurn();
    if (before) return;
    // A random start, so that processes that start together are not in step.
    for (let skip = Math.floor(random() * Math.min(this.total, MAX_START * count)); skip > 0; skip--) this.pick();
  }

  pick(): Candidate {
    return this.record(this.next(), 1);
  }

  /**
   * Picks from the list without some candidates, which must not be all of it. Those that would have been next are owed that
   * pick, but no more than one together: beyond that, time passes for the others alone.
   */
  pickExcept(skipped: ReadonlySet<Candidate>): Candidate {
    const { weights, taken, total } = this;
    const owed: number[] = [];
    let next = this.next();
    for (; skipped.has(candidateAt(this.list, next)); next = this.next()) owed.push(next);
    const share = owed.reduce((sum, index) => sum + weights[index]!, 0) / total;
    const lag = owed.reduce((sum, index) => sum + this.lagOf(index, this.clock / total), 0);
    const gained = Math.min(share, 1 - share - lag);
    const passed = (1 - gained) / (1 - share);
    for (const index of owed) {
      if (gained < share) taken[index]! += (weights[index]! / total) * (passed - gained / share);
      this.enqueue(index);
    }
    return this.record(next, passed);
  }

  /** How much this list and another one have in common, from 0 to 1. */
  overlapWith(other: readonly Candidate[]): number {
    const { start, endBefore, endAfter } = differenceOf(this.list, other, haveSameId);
    const ids = new Set(this.list.slice(start, endBefore).map(idOf));
    const joining = other.slice(start, endAfter).filter((candidate) => !ids.has(idOf(candidate))).length;
    return (other.length - joining) / Math.max(this.list.length, other.length);
  }

  /** The time of the next pick. */
  private get now(): number {
    return (this.clock + 1) / this.total + ROUNDING;
  }

  /** Takes the next candidate out of the heaps. */
  private next(): number {
    const { waiting, eligible, now } = this;
    for (let first = waiting.first; first !== undefined && this.eligibleAt[first]! <= now; first = waiting.first) {
      waiting.pop();
      eligible.push(first);
    }
    const next = eligible.pop() ?? waiting.pop();
    if (next === undefined) throw new RangeError('There is no candidate to pick');
    return next;
  }

  /** @param passed by how many picks time passes */
  private record(index: number, passed: number): Candidate {
    this.taken[index]!++;
    this.lastPicks[index] = ++this.picks;
    this.enqueue(index);
    this.clock += passed;
    // Rarely enough to stay O(1) a pick also if the weights add up to less than the number of candidates.
    if (this.clock >= this.total && this.clock >= this.list.length) this.startTurn();
    return candidateAt(this.list, index);
  }

  private enqueue(index: number): void {
    this.schedule(index);
    this.waiting.push(index);
  }

  private schedule(index: number): void {
    const taken = this.taken[index]!;
    const weight = this.weights[index]!;
    this.eligibleAt[index] = (taken + this.slack) / weight;
    this.deadlines[index] = (taken + 1 - this.slack) / weight;
  }

  /** Whether the first of two eligible candidates is picked first. */
  private isBefore(a: number, b: number): boolean {
    const later = this.deadlines[a]! - this.deadlines[b]!;
    if (later < -ROUNDING || later > ROUNDING) return later < 0;
    // A light candidate can wait until after two picks of a heavy one, not the other way round.
    const heavier = this.weights[a]! - this.weights[b]!;
    if (heavier !== 0) return heavier > 0;
    const waitedLonger = this.lastPicks[b]! - this.lastPicks[a]!;
    return waitedLonger === 0 ? a < b : waitedLonger > 0;
  }

  /** Subtracts whole turns, so that every turn has the same numbers, and none of them grows. */
  private startTurn(): void {
    const turns = Math.floor(this.clock / this.total);
    this.clock -= turns * this.total;
    const [eligible, waiting]: [number[], number[]] = [[], []];
    const { now } = this;
    for (let index = 0; index < this.list.length; index++) {
      this.taken[index]! -= turns * this.weights[index]!;
      this.schedule(index);
      (this.eligibleAt[index]! <= now ? eligible : waiting).push(index);
    }
    this.eligible.reset(eligible);
    this.waiting.reset(waiting);
  }

  private lagOf(index: number, time: number): number {
    return this.weights[index]! * time - this.taken[index]!;
  }

  /** Keeps the lag of every known candidate. A new one gets the lag of a random other, and a place just before it. */
  private continueFrom(before: WrrScheduler, random: Random): void {
    const { list, weights, absent } = this;
    // The time at which all lags, with those of absent candidates, add up to 0: what an absent one is owed is not lost.
    const time = [...absent.values()].reduce((picks, { lag }) => picks - lag, before.clock) / before.total;
    const restore = (index: number, lag: number, lastPick: number): void => {
      this.taken[index] = weights[index]! * time - lag;
      this.lastPicks[index] = lastPick;
    };
    const { start, endBefore, endAfter } = differenceOf(before.list, list, haveSameId);
    for (let index = start; index < endBefore; index++) {
      const id = idOf(candidateAt(before.list, index));
      absent.set(id, { lag: before.lagOf(index, time), lastPick: before.lastPicks[index]! });
    }
    const joining = new Set<number>();
    for (let index = 0; index < list.length; index++) {
      if (index >= start && index < endAfter) {
        const id = idOf(candidateAt(list, index));
        const known = absent.get(id);
        if (known) restore(index, known.lag, known.lastPick);
        else joining.add(index);
        absent.delete(id);
      } else {
        const from = index < start ? index : index - endAfter + endBefore;
        restore(index, before.lagOf(from, time), before.lastPicks[from]!);
      }
    }
    const others = joining.size === 0 ? [] : [...list.keys()].filter((index) => !joining.has(index));
    for (const index of joining) {
      const other = others[Math.floor(random() * others.length)] ?? index;
      restore(index, this.lagOf(other, time), this.lastPicks[other]! - (1 - random()) / 2);
    }
    for (const id of absent.keys()) if (absent.size > list.length) absent.delete(id);
    this.clock = this.taken.reduce((sum, taken) => sum + taken, 0);
  }
}

function idOf({ instance }: Candidate): string {
  return instance.instanceId;
}

function haveSameId(one: Candidate, other: Candidate): boolean {
  return one === other || idOf(one) === idOf(other);
}

/** A binary min-heap of whole numbers. */
export class BinaryHeap {
  private readonly items: Uint32Array;
  private count = 0;

  /**
   * @param capacity the most items at a time
   * @param isBefore a strict order
   */
  constructor(
    capacity: number,
    private readonly isBefore: (a: number, b: number) => boolean,
  ) {
    this.items = new Uint32Array(capacity);
  }

  /** The smallest item; undefined if empty. */
  get first(): number | undefined {
    return this.count === 0 ? undefined : this.items[0];
  }

  /** Replaces all items, in O(n). */
  reset(items: readonly number[]): void {
    this.items.set(items);
    this.count = items.length;
    for (let index = (this.count >>> 1) - 1; index >= 0; index--) this.sink(this.items[index]!, index);
  }

  push(item: number): void {
    const { items, isBefore } = this;
    let index = this.count++;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if (!isBefore(item, items[parent]!)) break;
      items[index] = items[parent]!;
      index = parent;
    }
    items[index] = item;
  }

  pop(): number | undefined {
    const { first } = this;
    if (first !== undefined && --this.count > 0) this.sink(this.items[this.count]!, 0);
    return first;
  }

  private sink(item: number, from: number): void {
    const { items, count, isBefore } = this;
    let index = from;
    for (let child = 2 * index + 1; child < count; child = 2 * index + 1) {
      if (child + 1 < count && isBefore(items[child + 1]!, items[child]!)) child++;
      if (!isBefore(items[child]!, item)) break;
      items[index] = items[child]!;
      index = child;
    }
    items[index] = item;
  }
}
