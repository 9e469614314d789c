import { type Random } from '../../common/index.js';
import { type Candidate, candidateAt, type Strategy, type PickArgs } from './strategy.js';
import { PerList } from './per-list.js';
import { indexesOf, WeightedSampler } from './weighted-sampler.js';

/** At random, in proportion to the weights. */
export class WeightedRandom implements Strategy {
  readonly goesBy = 'chance by weight';
  readonly isWeighted = true;
  private readonly samplers: PerList<readonly Candidate[], WeightedSampler>;

  constructor(private readonly random: Random) {
    this.samplers = new PerList((list) => new WeightedSampler(list, random));
  }

  choose(candidates: readonly Candidate[], { base }: PickArgs): Candidate {
    const sampler = candidates === base ? this.samplers.of(base) : new WeightedSampler(candidates, this.random);
    return candidateAt(candidates, sampler.sample());
  }

  chooseExcept(skipped: readonly Candidate[], { base }: PickArgs): Candidate {
    return candidateAt(base, this.samplers.of(base).sampleExcept(indexesOf(skipped, base)));
  }
}
