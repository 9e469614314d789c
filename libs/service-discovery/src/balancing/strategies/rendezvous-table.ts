import { type Candidate } from '../strategy.js';
import { type HashTable, sortedById } from './hash-table.js';
import { finish, FIRST_MEMBER_SEED, SECOND_MEMBER_SEED, stableHash } from './stable-hash.js';

const SCRAMBLE = 0x9e37_79b1;
const TWO_TO_32 = 4_294_967_296;
// See `stable-hash.ts`.
const { imul, log1p } = Math;

/**
 * Rendezvous hashing: every candidate draws a number out of the key and its id, and the best draw owns the key
 * (Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998). The draws are exponentially
 * distributed with the weight as their rate, so that each wins exactly the share that its weight says, and a change
 * of one weight moves only keys from or to that candidate.
 *
 * It keeps the promise of a hash ring, without the ring's lucky and unlucky members, at the price of one draw a
 * candidate and call, of a few nanoseconds. The next after the owner is who would own the key without it.
 */
export class RendezvousTable<C extends Candidate> implements HashTable<C> {
  private readonly members: readonly C[];
  private readonly firsts: Uint32Array;
  private readonly seconds: Uint32Array;
  /** Mean times to wait: what a draw is multiplied with. */
  private readonly means: Float64Array;

  constructor(members: readonly C[], weightOf = ({ weight }: C): number => weight) {
    this.members = sortedById(members);
    const ids = this.members.map(({ instance }) => instance.instanceId);
    this.firsts = Uint32Array.from(ids, (id) => stableHash(id, FIRST_MEMBER_SEED));
    this.seconds = Uint32Array.from(ids, (id) => stableHash(id, SECOND_MEMBER_SEED));
    this.means = Float64Array.from(this.members, (member) => 1 / weightOf(member));
  }

  find(hash: number, accepts?: (candidate: C) => boolean): C | undefined {
    const { members, firsts, seconds, means } = this;
    let best = Number.POSITIVE_INFINITY;
    let owner: C | undefined;
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
      if (member === undefined || accepts?.(member) === false) continue;
      best = wait;
      owner = member;
    }
    return owner;
  }
}
