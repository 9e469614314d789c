import { type Candidate } from './strategy.js';
import { type Member } from './hash-table.js';
import { NO_OWNER } from './recent-owners.js';
import { finish } from './stable-hash.js';

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
