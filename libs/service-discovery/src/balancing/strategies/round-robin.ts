import { type Random } from '../../common/index.js';
import { type Candidate, candidateAt, PerList, type PickArgs, type Strategy } from './strategy.js';

/** Up to this many new candidates are inserted one by one; with more, the order is sorted again. */
const FEW = 16;

interface QueuedCandidate extends Candidate {
  /** The number of its last pick: the candidate with the smallest has waited longest. */
  lastPick: number;
  /** The queue that it was last picked from. */
  queue: RoundRobinQueue | undefined;
}

/**
 * Picks the candidate that has waited longest. Unlike a counter over the list, this stays fair when the list changes between
 * picks, when picks choose from different parts of it, and after a time without any instance.
 *
 * The order is random, so that processes that start together do not all call the same instance first, nor send the calls of
 * one that fails to the same next one; an instance that joins gets a random position for the same reason.
 */
export class RoundRobin implements Strategy<QueuedCandidate> {
  readonly goesBy = 'turns';
  private readonly queues = new PerList((list: readonly QueuedCandidate[]) => new RoundRobinQueue(list));
  private picks = 0;
  /** The size of the last list. */
  private count = 1;

  constructor(private readonly random: Random) {}

  admit(known: Candidate): QueuedCandidate {
    return Object.assign(known, { lastPick: this.picks - this.random() * this.count, queue: undefined });
  }

  choose(candidates: readonly QueuedCandidate[], { base }: PickArgs<QueuedCandidate>): QueuedCandidate {
    return this.recordPick(candidates === base ? this.queueOf(base).next() : longestWaiting(candidates));
  }

  chooseExcept(skipped: readonly QueuedCandidate[], { base }: PickArgs<QueuedCandidate>): QueuedCandidate {
    return this.recordPick(this.queueOf(base).nextExcept(skipped));
  }

  private recordPick(chosen: QueuedCandidate): QueuedCandidate {
    chosen.lastPick = ++this.picks;
    return chosen;
  }

  private queueOf(base: readonly QueuedCandidate[]): RoundRobinQueue {
    this.count = base.length;
    return this.queues.of(base);
  }
}

/** This pick is out of order, so the candidate's queue has to be sorted before its next use. */
function longestWaiting(candidates: readonly QueuedCandidate[]): QueuedCandidate {
  let chosen = candidateAt(candidates, 0);
  for (const candidate of candidates) if (candidate.lastPick < chosen.lastPick) chosen = candidate;
  chosen.queue?.markUnsorted();
  return chosen;
}

/** The candidates of a list as a ring buffer, longest wait first. */
class RoundRobinQueue {
  private members: QueuedCandidate[];
  private first = 0;
  private isNew = true;
  private isSorted = false;

  constructor(list: readonly QueuedCandidate[]) {
    this.members = [...list];
  }

  next(): QueuedCandidate {
    if (!this.isSorted) this.sort();
    const next = candidateAt(this.members, this.first);
    this.first = this.after(this.first);
    return next;
  }

  /** The first that is not skipped. */
  nextExcept(skipped: readonly QueuedCandidate[]): QueuedCandidate {
    if (!this.isSorted) this.sort();
    const { members } = this;
    let index = this.first;
    while (skipped.includes(candidateAt(members, index))) index = this.after(index);
    const next = candidateAt(members, index);
    // It moves to the end of the queue; those skipped move up by one and stay first.
    for (; index !== this.first; index = this.before(index)) members[index] = candidateAt(members, this.before(index));
    members[index] = next;
    this.first = this.after(index);
    return next;
  }

  private after(index: number): number {
    return index + 1 === this.members.length ? 0 : index + 1;
  }

  private before(index: number): number {
    return (index === 0 ? this.members.length : index) - 1;
  }

  markUnsorted(): void {
    this.isSorted = false;
  }

  private sort(): void {
    const before = this.isNew ? this.members.find(({ queue }) => queue !== undefined)?.queue : undefined;
    if (before) {
      this.takeOver(before);
    } else {
      for (const member of this.members) this.take(member);
      this.members.sort(byLastPick);
    }
    this.first = 0;
    this.isSorted = true;
    this.isNew = false;
  }

  /** Continues the queue of the list's predecessor, which has the order of all but the new members. */
  private takeOver(before: RoundRobinQueue): void {
    const joining: QueuedCandidate[] = [];
    for (const member of this.members) {
      if (member.queue === before) member.queue = this;
      else joining.push(member);
    }
    const { isSorted } = before;
    const members = before.sequence().filter(({ queue }) => queue === this);
    before.markUnsorted();
    for (const member of joining) this.take(member);
    if (isSorted && joining.length <= FEW) {
      for (const member of joining) members.splice(positionFor(member, members), 0, member);
    } else {
      for (const member of joining) members.push(member);
      members.sort(byLastPick);
    }
    this.members = members;
  }

  /** Moves a member to this queue. Picks from here put the queue that it came from out of order. */
  private take(member: QueuedCandidate): void {
    if (member.queue !== this) member.queue?.markUnsorted();
    member.queue = this;
  }

  /** From the longest wait to the shortest, if sorted. */
  private sequence(): QueuedCandidate[] {
    return [...this.members.slice(this.first), ...this.members.slice(0, this.first)];
  }
}

function byLastPick(a: QueuedCandidate, b: QueuedCandidate): number {
  return a.lastPick - b.lastPick;
}

/** The position at which a candidate belongs among sorted members. */
function positionFor({ lastPick }: QueuedCandidate, members: readonly QueuedCandidate[]): number {
  let [from, to] = [0, members.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (candidateAt(members, middle).lastPick <= lastPick) from = middle + 1;
    else to = middle;
  }
  return from;
}
