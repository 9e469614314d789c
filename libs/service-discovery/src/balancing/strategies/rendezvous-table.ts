import { type Candidate } from '../strategy.js';
import { type BuildHashTable, type HashTable, type Member, OrderById } from './hash-table.js';
import { NOBODY, RecentOwners } from './recent-owners.js';
import { finish } from './stable-hash.js';

const SCRAMBLE = 0x9e37_79b1;
const TWO_TO_32 = 4_294_967_296;
// See `stable-hash.ts`.
const { imul, log1p } = Math;

export function rendezvousTables<C extends Candidate>(): BuildHashTable<C> {
  const order = new OrderById<C>();
  return (members) => new RendezvousTable(order.of(members));
}

/**
 * Rendezvous hashing: every candidate draws a number out of the key and its id, and the best draw owns the key
 * (Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998). The draws are exponentially
 * distributed with the weight as their rate, so that each wins exactly the share that its weight says, and a change
 * of one weight moves only keys from or to that candidate.
 *
 * It keeps the promise of a hash ring, without the ring's lucky and unlucky members, at the price of one draw a
 * candidate, of a few nanoseconds. So the owners of the keys that were asked for of late are remembered. The next after the
 * owner is who would own the key without it.
 */
export class RendezvousTable<C extends Candidate> implements HashTable<C> {
  private readonly firsts: Uint32Array;
  private readonly seconds: Uint32Array;
  /** Mean times to wait: what a draw is multiplied with. */
  private readonly means: Float64Array;
  private readonly recent: RecentOwners;

  /** @param members in the order that all processes agree on */
  constructor(
    private readonly members: readonly Member<C>[],
    weightOf = ({ weight }: C): number => weight,
  ) {
    const count = members.length;
    this.firsts = new Uint32Array(count);
    this.seconds = new Uint32Array(count);
    this.means = new Float64Array(count);
    for (const [index, { candidate, first, second }] of members.entries()) {
      this.firsts[index] = first;
      this.seconds[index] = second;
      this.means[index] = 1 / weightOf(candidate);
    }
    this.recent = new RecentOwners(count);
  }

  find(hash: number, accepts?: (candidate: C) => boolean): C | undefined {
    const owner = this.members[this.ownerOf(hash)]?.candidate;
    if (owner === undefined || accepts?.(owner) !== false) return owner;
    return this.members[this.search(hash, accepts)]?.candidate;
  }

  private ownerOf(hash: number): number {
    const known = this.recent.of(hash);
    if (known !== NOBODY) return known;
    const owner = this.search(hash);
    this.recent.set(hash, owner);
    return owner;
  }

  private search(hash: number, accepts?: (candidate: C) => boolean): number {
    const { members, firsts, seconds, means } = this;
    let best = Number.POSITIVE_INFINITY;
    let owner = NOBODY;
    for (let index = 0; index < members.length; index++) {
      const first = firsts[index] ?? 0;
      const second = seconds[index] ?? 0;
      const mean = means[index] ?? 0;
      const drawn = (finish(imul(hash ^ first, SCRAMBLE) + second) + 0.5) / TWO_TO_32;
      // -ln(1 - x) is more than x, so most of those who lose are found out without a logarithm.
      if (drawn * mean >= best) continue;
      const wait = -log1p(-drawn) * mean;
      if (wait >= best) continue;
      const member = members[index];
      if (member === undefined || accepts?.(member.candidate) === false) continue;
      best = wait;
      owner = index;
    }
    return owner;
  }
}
