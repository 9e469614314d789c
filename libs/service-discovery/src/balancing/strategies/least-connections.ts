import { type Random } from '../../common/index.js';
import { type LoadTable } from '../load/load-table.js';
import { type Candidate, candidateAt, excluding, type Strategy, type PickArgs } from './strategy.js';
import { LeastBusy } from './least-busy.js';
import { PerList } from './per-list.js';
import { costOf, partOf } from './room.js';

/** So many are looked through sooner than an index is kept up. */
const FEW = 8;

/**
 * The one with the fewest calls in flight for its weight. With this call, every candidate is due a part of all by its
 * weight. Of those that have room for a whole call until then, it is the one with the smallest (calls + 1) / weight; where
 * nobody has, it is chance, by the room that each has. So equal ones are filled evenly, unequal ones in proportion also
 * when there are few calls; and when idle, neither the first of the list nor the heaviest gets all calls.
 */
export class LeastConnections implements Strategy {
  readonly goesBy = 'calls in flight for the weight';
  readonly isWeighted = true;
  private readonly indexes: PerList<readonly Candidate[], LeastBusy>;

  constructor(
    private readonly random: Random,
    loads: LoadTable,
  ) {
    this.indexes = new PerList((list) => new LeastBusy(list, loads, random));
  }

  choose(candidates: readonly Candidate[], { base }: PickArgs): Candidate {
    if (candidates === base && base.length > FEW) return this.indexes.of(base).choose();
    return leastBusyOf(candidates, this.random);
  }

  chooseExcept(skipped: readonly Candidate[], { base }: PickArgs): Candidate {
    if (base.length > FEW) return this.indexes.of(base).choose(skipped);
    return leastBusyOf(excluding(base, skipped), this.random);
  }
}

/** By a look at all of them. */
export function leastBusyOf(candidates: readonly Candidate[], random: Random): Candidate {
  let calls = 1;
  let weights = 0;
  for (const { load, weight } of candidates) {
    calls += load.active;
    weights += weight;
  }
  const perWeight = calls / weights;
  let least = Number.POSITIVE_INFINITY;
  let parts = 0;
  for (const { load, weight } of candidates) {
    const cost = costOf(load.active, weight, perWeight);
    if (cost < least) parts = 0;
    if (cost < least) least = cost;
    if (cost === least) parts += partOf(load.active, weight, perWeight, least);
  }
  let drawn = random() * parts;
  let chosen = candidateAt(candidates, 0);
  for (const candidate of candidates) {
    const { load, weight } = candidate;
    if (costOf(load.active, weight, perWeight) !== least) continue;
    const part = partOf(load.active, weight, perWeight, least);
    if (part === 0) continue;
    chosen = candidate;
    if (drawn < part) break;
    drawn -= part;
  }
  return chosen;
}
