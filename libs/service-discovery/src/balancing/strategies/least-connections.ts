import { type Random } from '../../common/index.js';
import { type Candidate, candidateAt, type Strategy } from '../strategy.js';

/**
 * The one with the fewest calls in flight for its weight. Among equals it is chance, in proportion to the weights:
 * else the first in the list would get every call of an idle time.
 */
export class LeastConnections implements Strategy {
  readonly isWeighted = true;

  constructor(private readonly random: Random) {}

  choose(candidates: readonly Candidate[]): Candidate {
    let least = Number.POSITIVE_INFINITY;
    let weightOfLeast = 0;
    let chosen = candidateAt(candidates, 0);
    for (const candidate of candidates) {
      const cost = costOf(candidate);
      if (cost < least) {
        least = cost;
        weightOfLeast = 0;
        chosen = candidate;
      }
      if (cost === least) weightOfLeast += candidate.weight;
    }
    if (weightOfLeast === chosen.weight) return chosen;

    let draw = this.random() * weightOfLeast;
    for (const candidate of candidates) {
      if (costOf(candidate) !== least) continue;
      draw -= candidate.weight;
      if (draw < 0) return candidate;
    }
    return chosen;
  }
}

function costOf({ weight, load }: Candidate): number {
  return load.active / weight;
}
