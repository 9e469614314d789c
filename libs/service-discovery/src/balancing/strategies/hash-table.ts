import { type Candidate } from '../strategy.js';

/** Finds the owner of a key among the candidates that it was built from, whichever order they came in. */
export interface HashTable<C extends Candidate> {
  /**
   * The owner, or whoever comes next and is accepted; undefined where nobody is.
   * @param hash of the key, 32 bits
   * @param accepts whether a candidate can take the call; left out: everyone can
   */
  find(hash: number, accepts?: (candidate: C) => boolean): C | undefined;
}

/** Built anew when the list or a weight changes; may keep what it can use again. */
export type BuildHashTable = <C extends Candidate>(members: readonly C[]) => HashTable<C>;

/** In the order that all processes agree on, whatever order their lists have. */
export function sortedById<C extends Candidate>(members: readonly C[]): C[] {
  return members.toSorted(({ instance: a }, { instance: b }) => (a.instanceId < b.instanceId ? -1 : 1));
}
