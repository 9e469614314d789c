import { type Candidate } from '../strategy.js';
import { type BuildHashTable, type HashTable, type Member, OrderById } from './hash-table.js';
import { NOBODY, RecentOwners } from './recent-owners.js';
import { RendezvousDraws } from './rendezvous-draws.js';

export function rendezvousTables<C extends Candidate>(): BuildHashTable<C> {
  const order = new OrderById<C>();
  return (members) => new RendezvousTable(order.of(members));
}

/**
 * The owners of keys by rendezvous hashing. It keeps the promise of a hash ring, without the ring's lucky and unlucky
 * members, at the price of one draw a candidate, of a few nanoseconds. So the owners of the keys that were asked for of late
 * are remembered. The next after the owner is who would own the key without it.
 */
class RendezvousTable<C extends Candidate> implements HashTable<C> {
  private readonly draws: RendezvousDraws<C>;
  private readonly recent: RecentOwners;

  /** @param members in the order that all processes agree on */
  constructor(private readonly members: readonly Member<C>[]) {
    this.draws = new RendezvousDraws(members, ({ weight }) => weight);
    this.recent = new RecentOwners(members.length);
  }

  find(hash: number, accepts?: (candidate: C) => boolean): C | undefined {
    const owner = this.members[this.ownerOf(hash)]?.candidate;
    if (owner === undefined || accepts?.(owner) !== false) return owner;
    const next = this.draws.best(hash, (index) => accepts(this.members[index]!.candidate));
    return this.members[next]?.candidate;
  }

  private ownerOf(hash: number): number {
    const known = this.recent.of(hash);
    if (known !== NOBODY) return known;
    const owner = this.draws.best(hash);
    this.recent.set(hash, owner);
    return owner;
  }
}
