/** The part in which two lists differ. Before it and behind it, both have the same in the same order. */
export interface ListDifference {
  readonly start: number;
  readonly endBefore: number;
  readonly endAfter: number;
}

/**
 * Walks two lists in step from both ends, as far as they agree. Lists of instances change few at a time and leave the others in
 * their places, so what is left in between is short, and nobody was looked up.
 */
export function differenceOf<T>(
  before: readonly T[],
  after: readonly T[],
  areSame: (one: T, other: T) => boolean,
): ListDifference {
  const shortest = Math.min(before.length, after.length);
  let start = 0;
  while (start < shortest && areSame(before[start]!, after[start]!)) start++;
  let endBefore = before.length;
  let endAfter = after.length;
  while (endBefore > start && endAfter > start && areSame(before[endBefore - 1]!, after[endAfter - 1]!)) {
    endBefore--;
    endAfter--;
  }
  return { start, endBefore, endAfter };
}
