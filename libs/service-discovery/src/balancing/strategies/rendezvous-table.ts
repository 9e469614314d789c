import { type Candidate } from './strategy.js';
import { type BuildHashTable, type HashTable, type Member, OrderById } from './hash-table.js';
import { NO_OWNER, RecentOwners } from './recent-owners.js';
import { RendezvousScores } from './rendezvous-scores.js';

export function rendezvousTables<C extends Candidate>(): BuildHashTable<C> {
  const order = new OrderById<C>();
  return (list) => {
    const members = order.of(list);
    return new RendezvousTable(members, new RendezvousScores(members, ({ weight }) => weight));
  };
}

/**
 * Finds the owners of keys by rendezvous hashing. Like a hash ring, it moves as few keys as possible, but its shares are more
 * even. A lookup costs a few nanoseconds per candidate, so the owners of recently used keys are cached. The next candidate
 * after the owner is the one that would own the key without it.
 */
export class RendezvousTable<C extends Candidate> implements HashTable<C> {
  private readonly recent: RecentOwners;

  /**
   * @param members in the order that all processes agree on
   * @param whole if some members are absent, the table with all of them, which has most owners cached already
   */
  constructor(
    private readonly members: readonly Member<C>[],
    private readonly scores: RendezvousScores<C>,
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
    return new RendezvousTable(this.members, this.scores, this, absent);
  }

  private ownerOf(hash: number): number {
    const known = this.recent.of(hash);
    if (known !== NO_OWNER) return known;
    const usual = this.whole?.ownerOf(hash);
    const owner = usual !== undefined && this.isThere(usual) ? usual : this.best(hash);
    this.recent.set(hash, owner);
    return owner;
  }

  private best(hash: number, accepts?: (candidate: C) => boolean): number {
    if (!this.absent && !accepts) return this.scores.best(hash);
    return this.scores.best(
      hash,
      (index) => this.isThere(index) && accepts?.(this.members[index]!.candidate) !== false,
    );
  }

  private isThere(index: number): boolean {
    const member = this.members[index];
    return member !== undefined && this.absent?.has(member.candidate) !== true;
  }
}
