import { type Candidate } from '../strategy.js';
import { type BuildHashTable, type HashTable, type Member, OrderById } from './hash-table.js';
import { NOBODY, RecentOwners } from './recent-owners.js';
import { RendezvousDraws } from './rendezvous-draws.js';

export function rendezvousTables<C extends Candidate>(): BuildHashTable<C> {
  const order = new OrderById<C>();
  return (list) => {
    const members = order.of(list);
    return new RendezvousTable(members, new RendezvousDraws(members, ({ weight }) => weight));
  };
}

/**
 * The owners of keys by rendezvous hashing. It keeps the promise of a hash ring, without the ring's lucky and unlucky
 * members, at the price of one draw a candidate, of a few nanoseconds. So the owners of the keys that were asked for of late
 * are remembered. The next after the owner is who would own the key without it.
 */
export class RendezvousTable<C extends Candidate> implements HashTable<C> {
  private readonly recent: RecentOwners;

  /**
   * @param members in the order that all processes agree on
   * @param whole where some of them are absent, the table as it is when they are there: it remembers most owners already
   */
  constructor(
    private readonly members: readonly Member<C>[],
    private readonly draws: RendezvousDraws<C>,
    private readonly whole?: RendezvousTable<C>,
    private readonly absent?: ReadonlySet<C>,
  ) {
    this.recent = new RecentOwners(members.length);
  }

  find(hash: number, accepts?: (candidate: C) => boolean): C | undefined {
    const owner = this.members[this.ownerOf(hash)]?.candidate;
    return owner === undefined || accepts?.(owner) !== false
      ? owner
      : this.members[this.best(hash, accepts)]?.candidate;
  }

  without(absent: ReadonlySet<C>): HashTable<C> {
    return new RendezvousTable(this.members, this.draws, this, absent);
  }

  private ownerOf(hash: number): number {
    const known = this.recent.of(hash);
    if (known !== NOBODY) return known;
    const usual = this.whole?.ownerOf(hash);
    const owner = usual !== undefined && this.isThere(usual) ? usual : this.best(hash);
    this.recent.set(hash, owner);
    return owner;
  }

  private best(hash: number, accepts?: (candidate: C) => boolean): number {
    if (!this.absent && !accepts) return this.draws.best(hash);
    return this.draws.best(hash, (index) => this.isThere(index) && accepts?.(this.members[index]!.candidate) !== false);
  }

  private isThere(index: number): boolean {
    const member = this.members[index];
    return member !== undefined && this.absent?.has(member.candidate) !== true;
  }
}
