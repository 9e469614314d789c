import { type Random } from '../../common/index.js';
import { type Candidate, candidateAt, type Strategy } from '../strategy.js';

/**
 * The one with the fewest calls in flight for its weight. With this call, every candidate is due a part of all by its
 * weight. Of those that have room for a whole call until then, it is the one with the smallest (calls + 1) / weight; where
 * nobody has, it is chance, by the room that each has. So equal ones are filled evenly, unequal ones in proportion also
 * when there are few calls; and when idle, neither the first of the list nor the heaviest gets all calls.
 */
export class LeastConnections implements Strategy {
  readonly goesBy = 'calls in flight for the weight';
  readonly isWeighted = true;

  constructor(private readonly random: Random) {}

  choose(candidates: readonly Candidate[]): Candidate {
    let calls = 1;
    let weights = 0;
    for (const { load, weight } of candidates) {
      calls += load.active;
      weights += weight;
    }
    const perWeight = calls / weights;
    let least = Number.POSITIVE_INFINITY;
    let parts = 0;
    for (const candidate of candidates) {
      const cost = costOf(candidate, perWeight);
      if (cost < least) parts = 0;
      if (cost < least) least = cost;
      if (cost === least) parts += partOf(candidate, perWeight, least);
    }
    let drawn = this.random() * parts;
    let chosen = candidateAt(candidates, 0);
    for (const candidate of candidates) {
      if (costOf(candidate, perWeight) !== least) continue;
      const part = partOf(candidate, perWeight, least);
      if (part === 0) continue;
      chosen = candidate;
      if (drawn < part) break;
      drawn -= part;
    }
    return chosen;
  }
}

/** Infinite where there is no room for a whole call. */
function costOf({ load, weight }: Candidate, perWeight: number): number {
  const room = weight * perWeight - load.active;
  return room >= 1 ? (load.active + 1) / weight : Number.POSITIVE_INFINITY;
}

/** What its chance goes by among those of the same cost. */
function partOf({ load, weight }: Candidate, perWeight: number, cost: number): number {
  if (cost < Number.POSITIVE_INFINITY) return weight;
  const room = weight * perWeight - load.active;
  return room > 0 ? room : 0;
}
