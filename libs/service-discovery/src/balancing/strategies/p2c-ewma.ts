import { type Clock, type Random } from '../../common/index.js';
import { type Candidate, candidateAt, type Strategy } from '../strategy.js';

/** Keeps calls in flight in the reckoning where the latency is 0 or unknown. In milliseconds. */
const LEAST_LATENCY_MS = 0.001;

/**
 * The better of two that chance picks: the one whose latency (a peak EWMA), times the calls in flight with this one
 * added, over its weight is smaller. Two are enough to avoid the slow, and chance keeps many processes from all
 * running to the one that is fastest now.
 */
export class P2cEwma implements Strategy {
  constructor(
    private readonly random: Random,
    private readonly clock: Clock,
  ) {}

  choose(candidates: readonly Candidate[]): Candidate {
    const count = candidates.length;
    const first = Math.floor(this.random() * count);
    const one = candidateAt(candidates, first);
    if (count === 1) return one;
    // Drawn from all but the first, so that the two are never the same.
    const second = Math.floor(this.random() * (count - 1));
    const other = candidateAt(candidates, second < first ? second : second + 1);
    const now = this.clock.now();
    return costOf(other, now) < costOf(one, now) ? other : one;
  }
}

function costOf({ instance, load }: Candidate, now: number): number {
  return (Math.max(load.ewmaMs(now), LEAST_LATENCY_MS) * (load.active + 1)) / instance.weight;
}
