import { type Random } from '../../common/index.js';
import { type Candidate } from '../strategy.js';
import { BinaryHeap } from './binary-heap.js';
import { balance, forgiveMissed, isDueBefore, outstanding, schedule, type TurnAccount } from './turn-account.js';

/** How far into a turn a process may begin, in picks for each candidate: longer turns need not be walked through. */
const START_WITHIN = 8;
/** What rounding may make of a point in time. */
const ROUNDING = 1e-12;

/** Of one who has left: what it had outstanding then, and the number of its last pick. */
interface Absence {
  readonly missing: number;
  readonly since: number;
}

/**
 * The candidates of one list, waiting for their turns, so that the next is found in O(log n): those that may be picked,
 * by when they should be at the latest, and the others by when they may be at the earliest.
 */
export class TurnQueue {
  private readonly accounts = new Map<string, TurnAccount>();
  /** Those who have left the list, the last ones last. While they are away they miss nothing. */
  private readonly away = new Map<string, Absence>();
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
    return this.charged(this.next());
  }

  /** Whose turn it is of all but a few, who keep theirs. */
  takeExcept(passed: readonly Candidate[]): Candidate {
    const before: TurnAccount[] = [];
    let account = this.next();
    for (; passed.includes(account.candidate); account = this.next()) before.push(account);
    const taken = this.charged(account);
    this.forgive(before);
    for (const missed of before) this.enqueue(missed);
    return taken;
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
      if (account.opens <= now + ROUNDING && (!first || isDueBefore(account, first))) first = account;
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

  /** Takes out of the queue whose turn it is. */
  private next(): TurnAccount {
    const { waiting, open } = this;
    if (!this.isLinedUp) this.lineUp();
    const now = (this.taken + 1) / this.shares + ROUNDING;
    for (let next = waiting.first; next !== undefined && next.opens <= now; next = waiting.first) {
      waiting.pop();
      open.push(next);
    }
    const account = open.pop() ?? waiting.pop();
    if (account === undefined) throw new RangeError('Nobody takes turns');
    return account;
  }

  /** Puts back whom `next` gave, with its turn taken. */
  private charged(account: TurnAccount): Candidate {
    this.charge(account);
    this.enqueue(account);
    // Not after each turn of fewer picks than there are candidates, since this goes through all of them.
    if (this.taken >= this.shares && this.taken >= this.accounts.size) this.settle();
    return account.candidate;
  }

  /** Those who are passed over are not owed all that they miss meanwhile. */
  private forgive(missed: readonly TurnAccount[]): void {
    let shares = this.shares;
    let taken = this.taken;
    for (const account of missed) {
      shares -= account.share;
      taken -= account.taken;
    }
    this.taken += forgiveMissed(missed, taken / shares);
  }

  private enqueue(account: TurnAccount): void {
    schedule(account, this.accounts.size);
    this.waiting.push(account);
  }

  private charge(account: TurnAccount): void {
    account.taken++;
    account.since = ++this.picks;
    this.taken++;
  }

  /** @returns those whom the predecessor does not know */
  private takeOver(list: readonly Candidate[], before?: TurnQueue): readonly Candidate[] {
    if (!before) return list;
    const { time } = before;
    const joining: Candidate[] = [];
    for (const candidate of list) {
      const id = candidate.instance.instanceId;
      const present = before.accounts.get(id);
      const known = present ? { missing: outstanding(present, time), since: present.since } : before.away.get(id);
      const share = candidate.weight;
      if (!known) joining.push(candidate);
      else if (present?.share === share) this.accounts.set(id, { ...present, candidate });
      // A new weight, and an absence, leave the picks outstanding as they are.
      else this.accounts.set(id, accountOf(candidate, share * time - known.missing, known.since));
    }
    const left = [...before.accounts].map(([id, account]): [string, Absence] => {
      return [id, { missing: outstanding(account, time), since: account.since }];
    });
    const gone = [...before.away, ...left].filter(([id]) => !this.accounts.has(id));
    for (const [id, absence] of gone.slice(-list.length)) this.away.set(id, absence);
    return joining;
  }

  /** Before a random one of the others, so that it is not the first that all processes call. */
  private join(candidate: Candidate, peers: readonly TurnAccount[], time: number, random: Random): void {
    const share = candidate.weight;
    const peer = peers[Math.floor(random() * peers.length)];
    let account = accountOf(candidate, 0, random() - 1);
    if (peer) {
      const taken = share === peer.share ? peer.taken : share * time - outstanding(peer, time);
      account = accountOf(candidate, taken, peer.since - (1 - random()) / 2);
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
    for (const account of this.accounts.values()) account.taken -= turns * account.share;
  }

  private lineUp(): void {
    const accounts = [...this.accounts.values()];
    for (const account of accounts) schedule(account, accounts.length);
    this.open.fill([]);
    this.waiting.fill(accounts);
    this.isLinedUp = true;
  }
}

function accountOf(candidate: Candidate, taken: number, since: number): TurnAccount {
  return { candidate, share: candidate.weight, taken, since, opens: 0, due: 0 };
}
