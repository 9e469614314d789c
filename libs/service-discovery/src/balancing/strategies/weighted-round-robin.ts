import { type Random } from '../../common/index.js';
import { type Candidate, candidateAt, PerList, type PickArgs, type Strategy } from './strategy.js';
import { WeightedSampler } from './weighted-random.js';
import { WrrScheduler } from './wrr-scheduler.js';

/** Schedulers that a new list can continue: those of lists that picks use alternately, such as zones. */
const MAX_SCHEDULERS = 4;
/** The overlap, from 0 to 1, from which a list replaces the one that it continues. */
const REPLACES_FROM = 0.9;

/**
 * In turn, in proportion to the weights: exact over a full turn, never a whole pick off, and evenly interleaved. Each list that
 * picks choose from has its own turns; a list that changes continues those of the list that it overlaps with most.
 */
export class WeightedRoundRobin implements Strategy {
  readonly goesBy = 'turns by weight';
  readonly isWeighted = true;
  private readonly schedulers = new PerList((list: readonly Candidate[]) => this.schedulerFor(list));
  /** Newest first. */
  private recent: readonly WrrScheduler[] = [];

  constructor(private readonly random: Random) {}

  choose(candidates: readonly Candidate[], { base }: PickArgs): Candidate {
    const scheduler = this.schedulers.of(base);
    if (candidates === base) return scheduler.pick();
    const skipped = new Set(base);
    for (const candidate of candidates) skipped.delete(candidate);
    if (skipped.size < base.length) return scheduler.pickExcept(skipped);
    // The candidates are in no list that picks usually choose from, so they have no turns.
    return candidateAt(candidates, new WeightedSampler(candidates, this.random).sample());
  }

  chooseExcept(skipped: readonly Candidate[], { base }: PickArgs): Candidate {
    return this.schedulers.of(base).pickExcept(new Set(skipped));
  }

  private schedulerFor(list: readonly Candidate[]): WrrScheduler {
    let before: WrrScheduler | undefined;
    let overlap = 0;
    for (const scheduler of this.recent) {
      const other = overlap < 1 ? scheduler.overlapWith(list) : 0;
      if (other > overlap) [before, overlap] = [scheduler, other];
    }
    const scheduler = new WrrScheduler(list, this.random, before);
    const others = this.recent.filter((other) => other !== before || overlap < REPLACES_FROM);
    this.recent = [scheduler, ...others].slice(0, MAX_SCHEDULERS);
    return scheduler;
  }
}
