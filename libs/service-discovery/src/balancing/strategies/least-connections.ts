import { type Random } from '../../common/index.js';
import { type LoadTable } from '../load/load-table.js';
import { type Candidate, candidateAt, excluding, PerList, type PickArgs, type Strategy } from './strategy.js';

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

/** In place of an index of the list: the row belongs to no candidate in it. */
const NOT_LISTED = -1;

/**
 * Chooses like `LeastConnections` without visiting the whole list, in O(number of different weights). Of each weight only the
 * candidates with the fewest calls in flight matter: if any has room for a whole call, these have the lowest cost, and if none
 * has, all others have no room.
 *
 * Other strategies and callers begin and end calls, too, so changes are read from the table's log before a choice.
 */
export class LeastConnectionsIndex {
  /** By index in the list: the row in the table, the calls in flight as last read, and the group of equal weight. */
  private readonly rows: Uint32Array;
  private readonly active: Uint32Array;
  private readonly groupOf: readonly WeightGroup[];
  /** By row, the index in the list. */
  private readonly indexes: Int32Array;
  private readonly groups: readonly WeightGroup[];
  private readonly total: number;
  private calls = 0;
  /** The position in the log up to which changes were read. */
  private seen: number;

  constructor(
    private readonly list: readonly Candidate[],
    private readonly table: LoadTable,
    private readonly random: Random,
  ) {
    const positions = new Uint32Array(list.length);
    const byWeight = new Map<number, WeightGroup>();
    this.seen = table.changes.end;
    this.rows = new Uint32Array(list.map(({ load }) => load.row));
    this.active = new Uint32Array(list.length);
    this.indexes = new Int32Array(1 + this.rows.reduce((most, row) => Math.max(most, row), 0)).fill(NOT_LISTED);
    this.groupOf = list.map(({ weight }, index) => {
      let group = byWeight.get(weight);
      if (!group) byWeight.set(weight, (group = new WeightGroup(weight, positions)));
      group.add(index, 0);
      this.indexes[this.rows[index] ?? 0] = index;
      return group;
    });
    this.groups = [...byWeight.values()];
    this.total = list.reduce((sum, { weight }) => sum + weight, 0);
    for (let index = 0; index < list.length; index++) this.refresh(index);
  }

  /** @param skipped candidates of the list; not all of it */
  choose(skipped: readonly Candidate[] = []): Candidate {
    this.catchUp();
    if (skipped.length === 0) return this.chooseBy((this.calls + 1) / this.total);
    let { calls, total } = this;
    const out = skipped.map(({ load }) => this.indexes[load.row] ?? NOT_LISTED);
    for (const index of out) {
      const active = this.active[index] ?? 0;
      calls -= active;
      total -= this.groupOf[index]?.weight ?? 0;
      this.groupOf[index]?.remove(index, active);
    }
    const chosen = this.chooseBy((calls + 1) / total);
    for (const index of out) this.groupOf[index]?.add(index, this.active[index] ?? 0);
    return chosen;
  }

  /** @param perWeight the share of all calls, including this one, for a weight of 1 */
  private chooseBy(perWeight: number): Candidate {
    let least = Number.POSITIVE_INFINITY;
    let chances = 0;
    for (const { fewest, free, weight } of this.groups) {
      if (free.length === 0) continue;
      const cost = costOf(fewest, weight, perWeight);
      if (cost < least) chances = 0;
      if (cost < least) least = cost;
      if (cost === least) chances += free.length * chanceOf(fewest, weight, perWeight, cost);
    }
    let drawn = this.random() * chances;
    let chosen = 0;
    for (const { fewest, free, weight } of this.groups) {
      if (free.length === 0 || costOf(fewest, weight, perWeight) !== least) continue;
      const chance = chanceOf(fewest, weight, perWeight, least);
      if (chance === 0) continue;
      const position = Math.trunc(drawn / chance);
      chosen = free[position] ?? free.at(-1) ?? chosen;
      if (position < free.length) break;
      drawn -= free.length * chance;
    }
    return candidateAt(this.list, chosen);
  }

  private catchUp(): void {
    const { seen, rows } = this;
    const { changes } = this.table;
    this.seen = changes.end;
    if (changes.reachesBackTo(seen)) {
      for (let at = seen; at < changes.end; at++) this.refresh(this.indexes[changes.at(at)] ?? NOT_LISTED);
    } else {
      for (let index = 0; index < rows.length; index++) this.refresh(index);
    }
  }

  private refresh(index: number): void {
    if (index === NOT_LISTED) return;
    const before = this.active[index] ?? 0;
    const active = this.table.active(this.rows[index] ?? 0);
    if (active === before) return;
    this.calls += active - before;
    this.active[index] = active;
    this.groupOf[index]?.remove(index, before);
    this.groupOf[index]?.add(index, active);
  }
}

/** The candidates of one weight, bucketed by calls in flight. */
class WeightGroup {
  private readonly byActive: number[][] = [];
  private least = 0;

  /** @param positions by index in the list, the position within the bucket; updated here */
  constructor(
    readonly weight: number,
    private readonly positions: Uint32Array,
  ) {}

  /** The fewest calls in flight of any candidate. */
  get fewest(): number {
    return this.least;
  }

  /** The indexes of the candidates with the fewest calls in flight; empty if the group is. */
  get free(): readonly number[] {
    return this.byActive[this.least] ?? [];
  }

  add(index: number, active: number): void {
    const { byActive } = this;
    while (byActive.length <= active) byActive.push([]);
    const bucket = byActive[active] ?? [];
    this.positions[index] = bucket.length;
    bucket.push(index);
    if (active < this.least) this.least = active;
    else this.findFewest();
  }

  remove(index: number, active: number): void {
    const bucket = this.byActive[active] ?? [];
    const last = bucket.pop() ?? index;
    if (last !== index) {
      const position = this.positions[index] ?? 0;
      bucket[position] = last;
      this.positions[last] = position;
    }
    this.findFewest();
  }

  private findFewest(): void {
    const { byActive } = this;
    while (this.least < byActive.length && byActive[this.least]?.length === 0) this.least++;
  }
}

/**
 * How many more calls a candidate may have up to its share of all calls.
 * @param perWeight the share of all calls, including the next one, for a weight of 1
 */
function roomOf(active: number, weight: number, perWeight: number): number {
  return weight * perWeight - active;
}

/** The candidate with the lowest cost is next; infinite without room for a whole call. */
function costOf(active: number, weight: number, perWeight: number): number {
  return roomOf(active, weight, perWeight) >= 1 ? (active + 1) / weight : Number.POSITIVE_INFINITY;
}

/** The chance of a candidate relative to others of the same cost. */
function chanceOf(active: number, weight: number, perWeight: number, cost: number): number {
  if (cost < Number.POSITIVE_INFINITY) return weight;
  const room = roomOf(active, weight, perWeight);
  return room > 0 ? room : 0;
}
