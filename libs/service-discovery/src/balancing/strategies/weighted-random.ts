import { type Random } from '../../common/index.js';
import { type Candidate, candidateAt, type Strategy, type Wish } from '../strategy.js';
import { placesOf, WeightDraws } from './weight-draw.js';

/** By chance, each in proportion to its weight; equal weights make it uniform. */
export class WeightedRandom implements Strategy {
  readonly goesBy = 'chance by weight';
  readonly isWeighted = true;
  private readonly draws: WeightDraws;

  constructor(random: Random) {
    this.draws = new WeightDraws(random);
  }

  choose(candidates: readonly Candidate[], { base }: Wish): Candidate {
    return candidateAt(candidates, this.draws.from(candidates, base).one());
  }

  chooseExcept(passed: readonly Candidate[], { base }: Wish): Candidate {
    return candidateAt(base, this.draws.from(base, base).except(placesOf(passed, base)));
  }
}
