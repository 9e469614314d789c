import { type ServiceInstance } from './instance.js';

/** The part in which two lists differ. Before it and behind it, both have the same ids in the same order. */
export interface ListDifference {
  readonly start: number;
  readonly endBefore: number;
  readonly endAfter: number;
}

/**
 * Walks two lists of a service's instances in step from both ends, as far as they agree on ids. A snapshot changes few
 * instances at a time and leaves the others in their places, so what is left in between is short, and nobody was looked up.
 */
export function differenceOf(before: readonly ServiceInstance[], after: readonly ServiceInstance[]): ListDifference {
  const shortest = Math.min(before.length, after.length);
  let start = 0;
  while (start < shortest && haveSameId(before[start], after[start])) start++;
  let endBefore = before.length;
  let endAfter = after.length;
  while (endBefore > start && endAfter > start && haveSameId(before[endBefore - 1], after[endAfter - 1])) {
    endBefore--;
    endAfter--;
  }
  return { start, endBefore, endAfter };
}

function haveSameId(one: ServiceInstance | undefined, other: ServiceInstance | undefined): boolean {
  return one === other || one?.instanceId === other?.instanceId;
}
