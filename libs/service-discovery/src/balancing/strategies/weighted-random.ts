import { type Random } from '../../common/index.js';
import { type Candidate, candidateAt, type Strategy, type Wish } from '../strategy.js';
import { PerList } from './per-list.js';
import { placesOf, WeightDraw } from './weight-draw.js';

/** By chance, each in proportion to its weight; equal weights make it uniform. */
export class WeightedRandom implements Strategy {
  readonly goesBy = 'chance by weight';
  readonly isWeighted = true;
  private readonly draws: PerList<readonly Candidate[], WeightDraw>;

  constructor(private readonly random: Random) {
    this.draws = new PerList((list) => new WeightDraw(list, random));
  }

  choose(candidates: readonly Candidate[], { base }: Wish): Candidate {
    const draw = candidates === base ? this.draws.of(base) : new WeightDraw(candidates, this.random);
    return candidateAt(candidates, draw.one());
  }

  chooseExcept(passed: readonly Candidate[], { base }: Wish): Candidate {
    return candidateAt(base, this.draws.of(base).except(placesOf(passed, base)));
  }
}
