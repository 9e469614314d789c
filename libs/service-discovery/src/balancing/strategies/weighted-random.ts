import { type Random } from '../../common/index.js';
import { type Candidate, candidateAt, type Strategy } from '../strategy.js';

/** By chance, each in proportion to its weight; equal weights make it uniform. */
export class WeightedRandom implements Strategy {
  readonly isWeighted = true;
  private usual: readonly Candidate[] = [];
  /** The sums of the usual candidates' weights up to and with each. */
  private usualSums: readonly number[] = [];

  constructor(private readonly random: Random) {}

  update(usual: readonly Candidate[]): void {
    this.usual = usual;
    this.usualSums = sumUp(usual);
  }

  choose(candidates: readonly Candidate[]): Candidate {
    const sums = candidates === this.usual ? this.usualSums : sumUp(candidates);
    const total = sums.at(-1) ?? 0;
    return candidateAt(candidates, firstAbove(sums, this.random() * total));
  }
}

function sumUp(candidates: readonly Candidate[]): number[] {
  let sum = 0;
  return candidates.map(({ weight }) => (sum += weight));
}

/** The index of the first of the ascending sums that is larger than `value`. */
function firstAbove(sums: readonly number[], value: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sums[middle] ?? 0) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
