import { differenceOf } from '../../common/index.js';
import { type Candidate } from '../strategy.js';
import { FIRST_MEMBER_SEED, SECOND_MEMBER_SEED, stableHash } from './stable-hash.js';

/** Finds the owner of a key among the candidates that it was built from, whichever order they came in. */
export interface HashTable<C extends Candidate> {
  /**
   * The owner, or whoever comes next and is accepted; undefined where nobody is.
   * @param hash of the key, 32 bits
   * @param accepts whether a candidate can take the call; left out: everyone can
   */
  find(hash: number, accepts?: (candidate: C) => boolean): C | undefined;
  /** The table as it is while some are away: what is theirs goes to those who come next, and nothing else moves. */
  without(absent: ReadonlySet<C>): HashTable<C>;
}

/** Called anew when the list or a weight changes; may keep what it can use again. */
export type BuildHashTable<C extends Candidate> = (members: readonly C[]) => HashTable<C>;

/** A candidate with what tables know it by, worked out once for as long as it is listed. */
export interface Member<C extends Candidate> {
  readonly candidate: C;
  /** Two numbers that know nothing of each other. */
  readonly first: number;
  readonly second: number;
}

/**
 * Puts lists in the order that all processes agree on, whatever order theirs have. A list that is like the one before leaves a
 * sort little to do.
 */
export class OrderById<C extends Candidate> {
  private list: readonly C[] = [];
  private sorted: readonly Member<C>[] = [];

  of(list: readonly C[]): readonly Member<C>[] {
    const { start, endBefore, endAfter } = differenceOf(this.list, list, Object.is);
    const gone = new Set(this.list.slice(start, endBefore));
    const staying = this.sorted.filter(({ candidate }) => !gone.has(candidate));
    this.list = list;
    this.sorted = [...staying, ...list.slice(start, endAfter).map(memberOf)].sort(byId);
    return this.sorted;
  }
}

function memberOf<C extends Candidate>(candidate: C): Member<C> {
  const { instanceId } = candidate.instance;
  return {
    candidate,
    first: stableHash(instanceId, FIRST_MEMBER_SEED),
    second: stableHash(instanceId, SECOND_MEMBER_SEED),
  };
}

function byId({ candidate: a }: Member<Candidate>, { candidate: b }: Member<Candidate>): number {
  return a.instance.instanceId < b.instance.instanceId ? -1 : 1;
}
