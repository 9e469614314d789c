import { type Random } from '../../common/index.js';
import { type Candidate } from '../strategy.js';
import { BinaryHeap } from './binary-heap.js';
import {
  balance,
  forgiveMissed,
  isDueBefore,
  outstanding,
  passTurns,
  schedule,
  type TurnAccount,
} from './turn-account.js';

/** How far into a turn a process may begin, in picks for each candidate: longer turns need not be walked through. */
const START_WITHIN = 8;
/** Who was away for more picks of its own than this is new when it comes back. */
const MISSED_AT_MOST = 2;
/** What rounding may make of a pick, and of a point in time. */
const PICK_ROUNDING = 1e-9;
const TIME_ROUNDING = 1e-12;

/**
 * The candidates of one list, waiting for their turns, so that the next is found in O(log n): those that may be picked,
 * by when they should be at the latest, and the others by when they may be at the earliest.
 */
export class TurnQueue {
  private readonly accounts = new Map<string, TurnAccount>();
  /** Of those who have left the list a short while ago. */
  private readonly away = new Map<string, TurnAccount>();
  private readonly waiting = new BinaryHeap<TurnAccount>((a, b) => a.opens < b.opens);
  private readonly open = new BinaryHeap<TurnAccount>(isDueBefore);
  private isLinedUp = false;
  /** Picks in a turn, and those since it began. */
  private shares = 0;
  private taken = 0;
  private picks: number;

  /** @param before the queue of the list that this one succeeds, to go on from where that was */
  constructor(list: readonly Candidate[], random: Random, before?: TurnQueue) {
    this.picks = before?.picks ?? 0;
    const joining = this.takeOver(list, before);
    const peers = [...this.accounts.values()];
    const time = before && peers.length > 0 ? before.time : 0;
    for (const candidate of joining) this.join(candidate, peers, time, random);
    balance([...this.accounts.values()], time);
    this.settle();
    if (peers.length > 0) return;
    // Anywhere in the turn, so that processes that start together do not walk in step.
    for (let skip = Math.floor(random() * Math.min(this.shares, START_WITHIN * list.length)); skip > 0; skip--) {
      this.take();
    }
  }

  /** Whose turn it is; the next one's after that. */
  take(): Candidate {
    const { waiting, open } = this;
    if (!this.isLinedUp) this.lineUp();
    const now = (this.taken + 1) / this.shares + TIME_ROUNDING;
    for (let next = waiting.first; next !== undefined && next.opens <= now; next = waiting.first) {
      waiting.pop();
      open.push(next);
    }
    const account = open.pop() ?? waiting.pop();
    if (account === undefined) throw new RangeError('Nobody takes turns');
    this.charge(account);
    schedule(account, this.accounts.size);
    waiting.push(account);
    // Not after each turn of fewer picks than there are candidates, since this goes through all of them.
    if (this.taken >= this.shares && this.taken >= this.accounts.size) this.settle();
    return account.candidate;
  }

  /** Whose turn it is among some of the list; undefined where none of them is of the list. */
  takeAmong(candidates: readonly Candidate[]): Candidate | undefined {
    let shares = 0;
    let taken = 0;
    const left = new Set<TurnAccount>();
    for (const { instance } of candidates) {
      const account = this.accounts.get(instance.instanceId);
      if (account === undefined) continue;
      left.add(account);
      shares += account.share;
      taken += account.taken;
    }
    const now = (taken + 1) / shares;
    let first: TurnAccount | undefined;
    for (const account of left) {
      schedule(account, left.size);
      if (account.opens <= now + TIME_ROUNDING && (!first || isDueBefore(account, first))) first = account;
    }
    if (!first) return undefined;
    this.charge(first);
    // The others are not owed all that they miss meanwhile.
    const others = [...this.accounts.values()].filter((account) => !left.has(account));
    forgiveMissed(others, now);
    this.settle();
    return first.candidate;
  }

  /** How much of it, and of a list, are the same: from 0 to 1. */
  likenessTo(list: readonly Candidate[]): number {
    let common = 0;
    for (const { instance } of list) if (this.accounts.has(instance.instanceId)) common++;
    return common / Math.max(this.accounts.size, list.length);
  }

  /** In turns since the present one began. */
  private get time(): number {
    return this.taken / this.shares;
  }

  private charge(account: TurnAccount): void {
    account.taken++;
    account.since = ++this.picks;
    this.taken++;
  }

  /** @returns those who have no account with the predecessor, or have been away for long */
  private takeOver(list: readonly Candidate[], before?: TurnQueue): readonly Candidate[] {
    if (!before) return list;
    const { time } = before;
    const joining: Candidate[] = [];
    for (const [id, account] of [...before.away, ...before.accounts]) {
      if (outstanding(account, time) <= MISSED_AT_MOST + PICK_ROUNDING) this.away.set(id, { ...account });
    }
    for (const candidate of list) {
      const id = candidate.instance.instanceId;
      const known = this.away.get(id);
      if (!known) {
        joining.push(candidate);
        continue;
      }
      this.away.delete(id);
      const share = candidate.weight;
      if (!before.accounts.has(id) && outstanding(known, time) > 1) known.taken = Math.ceil(known.share * time - 1);
      // A new weight leaves the picks outstanding as they are.
      const taken = share === known.share ? known.taken : known.taken + (share - known.share) * time;
      this.accounts.set(id, { ...known, candidate, share, taken });
    }
    return joining;
  }

  /** Before a random one of the others, so that it is not the first that all processes call. */
  private join(candidate: Candidate, peers: readonly TurnAccount[], time: number, random: Random): void {
    const share = candidate.weight;
    const account = { candidate, share, taken: 0, since: random() - 1, opens: 0, due: 0 };
    const peer = peers[Math.floor(random() * peers.length)];
    if (peer) {
      account.taken = share === peer.share ? peer.taken : share * time - outstanding(peer, time);
      account.since = peer.since - (1 - random()) / 2;
    }
    this.accounts.set(candidate.instance.instanceId, account);
  }

  /** Adds up, and begins to count anew after a turn: accounts may have changed in any way. */
  private settle(): void {
    this.isLinedUp = false;
    this.shares = 0;
    this.taken = 0;
    for (const { share, taken } of this.accounts.values()) {
      this.shares += share;
      this.taken += taken;
    }
    const turns = Math.floor(this.time);
    if (turns === 0) return;
    this.taken -= turns * this.shares;
    passTurns(this.accounts.values(), turns);
    passTurns(this.away.values(), turns);
  }

  private lineUp(): void {
    const accounts = [...this.accounts.values()];
    for (const account of accounts) schedule(account, accounts.length);
    this.open.fill([]);
    this.waiting.fill(accounts);
    this.isLinedUp = true;
  }
}
