import { type Candidate } from '../strategy.js';
import { type Member } from './hash-table.js';
import { NOBODY } from './recent-owners.js';
import { finish } from './stable-hash.js';

const SCRAMBLE = 0x9e37_79b1;
const TWO_TO_32 = 4_294_967_296;
// See `stable-hash.ts`.
const { imul, log1p } = Math;

/**
 * Rendezvous hashing: every candidate draws a number out of the key and its id, and the best draw owns the key
 * (Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998). The draws are exponentially
 * distributed with the weight as their rate, so that each wins exactly the share that its weight says, and a change
 * of one weight moves only keys from or to that candidate.
 */
export class RendezvousDraws<C extends Candidate> {
  private readonly firsts: Uint32Array;
  private readonly seconds: Uint32Array;
  /** Mean times to wait: what a draw is multiplied with. */
  private readonly means: Float64Array;

  /** @param members in the order that all processes agree on */
  constructor(members: readonly Member<C>[], weightOf: (candidate: C) => number) {
    this.firsts = new Uint32Array(members.map(({ first }) => first));
    this.seconds = new Uint32Array(members.map(({ second }) => second));
    this.means = new Float64Array(members.map(({ candidate }) => 1 / weightOf(candidate)));
  }

  /**
   * The index of the best draw for a key; `NOBODY` where nobody is accepted.
   * @param hash of the key, 32 bits
   * @param accepts by its index, whether a member may own the key; left out: everyone may
   */
  best(hash: number, accepts?: (index: number) => boolean): number {
    const { firsts, seconds, means } = this;
    let best = Number.POSITIVE_INFINITY;
    let owner = NOBODY;
    for (let index = 0; index < means.length; index++) {
      const first = firsts[index] ?? 0;
      const second = seconds[index] ?? 0;
      const mean = means[index] ?? 0;
      const drawn = (finish(imul(hash ^ first, SCRAMBLE) + second) + 0.5) / TWO_TO_32;
      // -ln(1 - x) is more than x, so most of those who lose are found out without a logarithm.
      if (drawn * mean >= best) continue;
      const wait = -log1p(-drawn) * mean;
      if (wait >= best || accepts?.(index) === false) continue;
      best = wait;
      owner = index;
    }
    return owner;
  }
}
