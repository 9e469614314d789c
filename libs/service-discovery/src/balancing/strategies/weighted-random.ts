import { type Random } from '../../common/index.js';
import { type Candidate, type Strategy, type Wish } from '../strategy.js';
import { WeightDraws } from './weight-draw.js';

/** By chance, each in proportion to its weight; equal weights make it uniform. */
export class WeightedRandom implements Strategy {
  readonly goesBy = 'chance by weight';
  readonly isWeighted = true;
  private readonly draws: WeightDraws<Candidate>;

  constructor(random: Random) {
    this.draws = new WeightDraws(random);
  }

  choose(candidates: readonly Candidate[], { base }: Wish): Candidate {
    return this.draws.from(candidates, base).one();
  }
}
