import { type Random } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { type InstanceLoad } from '../load-tracker.js';
import { type Candidate, candidateAt, type Strategy } from '../strategy.js';

/**
 * The one with the fewest calls in flight for its weight. Among equals it is chance, in proportion to the weights:
 * else the first in the list would get every call of an idle time.
 */
export class LeastConnections implements Strategy {
  constructor(private readonly random: Random) {}

  admit(instance: ServiceInstance, load: InstanceLoad): Candidate {
    return { instance, load };
  }

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
      if (cost === least) weightOfLeast += candidate.instance.weight;
    }
    if (weightOfLeast === chosen.instance.weight) return chosen;

    let draw = this.random() * weightOfLeast;
    for (const candidate of candidates) {
      if (costOf(candidate) !== least) continue;
      draw -= candidate.instance.weight;
      if (draw < 0) return candidate;
    }
    return chosen;
  }
}

function costOf({ instance, load }: Candidate): number {
  return load.active / instance.weight;
}
