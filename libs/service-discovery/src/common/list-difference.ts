/** The range in which two lists differ. Before and after it, both have the same elements in the same order. */
export interface ListDifference {
  readonly start: number;
  readonly endBefore: number;
  readonly endAfter: number;
}

/**
 * Compares two lists from both ends. Lists of instances change a few entries at a time and keep the order of the rest,
 * so the differing range is short, and no lookups are needed.
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
