import { type Random } from '../../common/index.js';
import { type LoadTable } from '../load/load-table.js';
import { chanceOf, costOf, LeastConnectionsIndex } from './least-connections-index.js';
import { PerList } from './per-list.js';
import { type Candidate, candidateAt, excluding, type PickArgs, type Strategy } from './strategy.js';

/** For so few, visiting all of them is faster than keeping an index, most of all if their weights differ. */
const FEW = 8;

/**
 * The candidate with the fewest calls in flight for its weight. Each has a share of all calls, including this one, by its
 * weight. Of those with room for a whole call up to their share, it is the one with the smallest (calls + 1) / weight; if none
 * has, one at random, by the room that each has. So equal candidates are filled evenly, unequal ones in proportion also when
 * there are few calls, and when idle, neither the first of the list nor the heaviest gets all calls.
 */
export class LeastConnections implements Strategy {
  readonly goesBy = 'calls in flight for the weight';
  readonly isWeighted = true;
  private readonly indexes: PerList<readonly Candidate[], LeastConnectionsIndex>;

  constructor(
    private readonly random: Random,
    loads: LoadTable,
  ) {
    this.indexes = new PerList((list) => new LeastConnectionsIndex(list, loads, random));
  }

  choose(candidates: readonly Candidate[], { base }: PickArgs): Candidate {
    if (candidates === base && base.length > FEW) return this.indexes.of(base).choose();
    return leastConnected(candidates, this.random);
  }

  chooseExcept(skipped: readonly Candidate[], { base }: PickArgs): Candidate {
    if (base.length > FEW) return this.indexes.of(base).choose(skipped);
    return leastConnected(excluding(base, skipped), this.random);
  }
}

/** Chooses by visiting all candidates. */
export function leastConnected(candidates: readonly Candidate[], random: Random): Candidate {
  let calls = 1;
  let weights = 0;
  for (const { load, weight } of candidates) {
    calls += load.active;
    weights += weight;
  }
  const perWeight = calls / weights;
  let least = Number.POSITIVE_INFINITY;
  let chances = 0;
  for (const { load, weight } of candidates) {
    const cost = costOf(load.active, weight, perWeight);
    if (cost < least) chances = 0;
    if (cost < least) least = cost;
    if (cost === least) chances += chanceOf(load.active, weight, perWeight, least);
  }
  let drawn = random() * chances;
  let chosen = candidateAt(candidates, 0);
  for (const candidate of candidates) {
    const { load, weight } = candidate;
    if (costOf(load.active, weight, perWeight) !== least) continue;
    const chance = chanceOf(load.active, weight, perWeight, least);
    if (chance === 0) continue;
    chosen = candidate;
    if (drawn < chance) break;
    drawn -= chance;
  }
  return chosen;
}
