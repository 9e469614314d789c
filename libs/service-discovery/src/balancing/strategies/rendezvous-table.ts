import { type BuildHashTable, type HashTable, type Member, OrderById } from './keyed.js';
import { NO_OWNER, RecentOwners } from './recent-owners.js';
import { finish } from './stable-hash.js';
import { type Candidate } from './strategy.js';

export function rendezvousTables<C extends Candidate>(): BuildHashTable<C> {
  const order = new OrderById<C>();
  return (list) => {
    const members = order.of(list);
    return new RendezvousTable(members, new RendezvousScores(members, ({ weight }) => weight));
  };
}

/**
 * Finds the owners of keys by rendezvous hashing. Like a hash ring, it moves as few keys as possible, but its shares are more
 * even. A lookup costs a few nanoseconds per candidate, so the owners of recently used keys are cached. The next candidate
 * after the owner is the one that would own the key without it.
 */
export class RendezvousTable<C extends Candidate> implements HashTable<C> {
  private readonly recent: RecentOwners;

  /**
   * @param members in the order that all processes agree on
   * @param whole if some members are absent, the table with all of them, which has most owners cached already
   */
  constructor(
    private readonly members: readonly Member<C>[],
    private readonly scores: RendezvousScores<C>,
    private readonly whole?: RendezvousTable<C>,
    private readonly absent?: ReadonlySet<C>,
  ) {
    this.recent = new RecentOwners(members.length);
  }

  find(hash: number, accepts?: (candidate: C) => boolean): C | undefined {
    const owner = this.members[this.ownerOf(hash)]?.candidate;
    return owner === undefined || accepts?.(owner) !== false
      ? owner
      : this.members[this.best(hash, accepts)]?.candidate;
  }

  without(absent: ReadonlySet<C>): HashTable<C> {
    return new RendezvousTable(this.members, this.scores, this, absent);
  }

  private ownerOf(hash: number): number {
    const known = this.recent.of(hash);
    if (known !== NO_OWNER) return known;
    const usual = this.whole?.ownerOf(hash);
    const owner = usual !== undefined && this.isThere(usual) ? usual : this.best(hash);
    this.recent.set(hash, owner);
    return owner;
  }

  private best(hash: number, accepts?: (candidate: C) => boolean): number {
    if (!this.absent && !accepts) return this.scores.best(hash);
    return this.scores.best(
      hash,
      (index) => this.isThere(index) && accepts?.(this.members[index]!.candidate) !== false,
    );
  }

  private isThere(index: number): boolean {
    const member = this.members[index];
    return member !== undefined && this.absent?.has(member.candidate) !== true;
  }
}

const SCRAMBLE = 0x9e37_79b1;
const TWO_TO_32 = 4_294_967_296;
// See `stable-hash.ts`.
const { imul, log1p } = Math;

/**
 * Rendezvous hashing: every candidate gets a score from a hash of the key and its id, and the best score owns the key (Thaler
 * and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998). Scores are exponentially distributed with the
 * weight as the rate, and the smallest wins, so that each candidate gets exactly the share of its weight, and a change of one
 * weight moves only keys from or to that candidate.
 */
export class RendezvousScores<C extends Candidate> {
  private readonly firsts: Uint32Array;
  private readonly seconds: Uint32Array;
  /** The means of the exponential distributions. */
  private readonly means: Float64Array;

  /** @param members in the order that all processes agree on */
  constructor(members: readonly Member<C>[], weightOf: (candidate: C) => number) {
    this.firsts = new Uint32Array(members.map(({ first }) => first));
    this.seconds = new Uint32Array(members.map(({ second }) => second));
    this.means = new Float64Array(members.map(({ candidate }) => 1 / weightOf(candidate)));
  }

  /**
   * The index of the best score for a key; `NO_OWNER` if no member is accepted.
   * @param hash of the key, 32 bits
   * @param accepts whether the member at an index may own the key; by default all may
   */
  best(hash: number, accepts?: (index: number) => boolean): number {
    const { firsts, seconds, means } = this;
    let best = Number.POSITIVE_INFINITY;
    let owner = NO_OWNER;
    for (let index = 0; index < means.length; index++) {
      const first = firsts[index] ?? 0;
      const second = seconds[index] ?? 0;
      const mean = means[index] ?? 0;
      const uniform = (finish(imul(hash ^ first, SCRAMBLE) + second) + 0.5) / TWO_TO_32;
      // -ln(1 - x) is greater than x, so most members are ruled out without a logarithm.
      if (uniform * mean >= best) continue;
      const score = -log1p(-uniform) * mean;
      if (score >= best || accepts?.(index) === false) continue;
      best = score;
      owner = index;
    }
    return owner;
  }
}
