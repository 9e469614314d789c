import { differenceOf } from '../../common/index.js';
import { type Candidate } from './strategy.js';
import { FIRST_MEMBER_SEED, SECOND_MEMBER_SEED, stableHash } from './stable-hash.js';

/** Finds the owner of a key among the candidates that it was built from, independent of their order. */
export interface HashTable<C extends Candidate> {
  /**
   * The owner, or the next candidate for this key that is accepted; undefined if none is.
   * @param hash of the key, 32 bits
   * @param accepts whether a candidate can take the call; by default all can
   */
  find(hash: number, accepts?: (candidate: C) => boolean): C | undefined;
  /** The table while some candidates are absent: their keys go to the next candidates, and no other key moves. */
  without(absent: ReadonlySet<C>): HashTable<C>;
}

/** Called when the list or a weight changes; may cache what it can reuse. */
export type BuildHashTable<C extends Candidate> = (members: readonly C[]) => HashTable<C>;

/** A candidate and its hashes, computed once while it is listed. */
export interface Member<C extends Candidate> {
  readonly candidate: C;
  /** Two independent hashes of the id. */
  readonly first: number;
  readonly second: number;
}

/**
 * Sorts lists by id, so that all processes agree on the order. It starts from the previous result, which makes sorting a list
 * that changed little fast.
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
