import { type Random } from '../../common/index.js';
import { type LoadTable } from '../load/load-table.js';
import { type Candidate, candidateAt } from './strategy.js';
import { Peers } from './peers.js';
import { costOf, partOf } from './room.js';

/** In place of the number of a member: a row that is not of the list. */
const NOBODY = -1;

/**
 * Chooses as `LeastConnections` does, without a look at all of a list: in steps that grow with the number of different
 * weights. Of each weight only those with the fewest calls in flight matter: where somebody has room for a whole call, they
 * have the least cost, and where nobody has, all others have none at all.
 *
 * Calls begin and end through other strategies and callers, too. What has changed is caught up with before a choice.
 */
export class LeastBusy {
  /** By member: where its load stands in the table, its calls in flight as last seen, and its equals in weight. */
  private readonly rows: Uint32Array;
  private readonly active: Uint32Array;
  private readonly peersOf: readonly Peers[];
  /** By row. */
  private readonly members: Int32Array;
  private readonly peers: readonly Peers[];
  private readonly weights: number;
  private calls = 0;
  /** Up to where changes were followed. */
  private seen: number;

  constructor(
    private readonly list: readonly Candidate[],
    private readonly table: LoadTable,
    private readonly random: Random,
  ) {
    const places = new Uint32Array(list.length);
    const byWeight = new Map<number, Peers>();
    this.seen = table.changes.end;
    this.rows = new Uint32Array(list.map(({ load }) => load.row));
    this.active = new Uint32Array(list.length);
    this.members = new Int32Array(1 + this.rows.reduce((most, row) => Math.max(most, row), 0)).fill(NOBODY);
    this.peersOf = list.map(({ weight }, member) => {
      let peers = byWeight.get(weight);
      if (!peers) byWeight.set(weight, (peers = new Peers(weight, places)));
      peers.add(member, 0);
      this.members[this.rows[member] ?? 0] = member;
      return peers;
    });
    this.peers = [...byWeight.values()];
    this.weights = list.reduce((sum, { weight }) => sum + weight, 0);
    for (let member = 0; member < list.length; member++) this.follow(member);
  }

  /** @param skipped those of the list that are skipped over: not all of it */
  choose(skipped: readonly Candidate[] = []): Candidate {
    this.catchUp();
    if (skipped.length === 0) return this.chooseBy((this.calls + 1) / this.weights);
    let { calls, weights } = this;
    const out = skipped.map(({ load }) => this.members[load.row] ?? NOBODY);
    for (const member of out) {
      const active = this.active[member] ?? 0;
      calls -= active;
      weights -= this.peersOf[member]?.weight ?? 0;
      this.peersOf[member]?.remove(member, active);
    }
    const chosen = this.chooseBy((calls + 1) / weights);
    for (const member of out) this.peersOf[member]?.add(member, this.active[member] ?? 0);
    return chosen;
  }

  /** @param perWeight of all calls, the next one with them, what is due to a weight of 1 */
  private chooseBy(perWeight: number): Candidate {
    let least = Number.POSITIVE_INFINITY;
    let parts = 0;
    for (const { fewest, free, weight } of this.peers) {
      if (free.length === 0) continue;
      const cost = costOf(fewest, weight, perWeight);
      if (cost < least) parts = 0;
      if (cost < least) least = cost;
      if (cost === least) parts += free.length * partOf(fewest, weight, perWeight, cost);
    }
    let drawn = this.random() * parts;
    let chosen = 0;
    for (const { fewest, free, weight } of this.peers) {
      if (free.length === 0 || costOf(fewest, weight, perWeight) !== least) continue;
      const part = partOf(fewest, weight, perWeight, least);
      if (part === 0) continue;
      const place = Math.trunc(drawn / part);
      chosen = free[place] ?? free.at(-1) ?? chosen;
      if (place < free.length) break;
      drawn -= free.length * part;
    }
    return candidateAt(this.list, chosen);
  }

  private catchUp(): void {
    const { seen, rows } = this;
    const { changes } = this.table;
    this.seen = changes.end;
    if (changes.reachesBackTo(seen)) {
      for (let change = seen; change < changes.end; change++) this.follow(this.members[changes.at(change)] ?? NOBODY);
    } else {
      for (let member = 0; member < rows.length; member++) this.follow(member);
    }
  }

  private follow(member: number): void {
    if (member === NOBODY) return;
    const before = this.active[member] ?? 0;
    const active = this.table.active(this.rows[member] ?? 0);
    if (active === before) return;
    this.calls += active - before;
    this.active[member] = active;
    this.peersOf[member]?.remove(member, before);
    this.peersOf[member]?.add(member, active);
  }
}
