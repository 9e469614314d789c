/** Whether a value is a plain object rather than an instance of a class, an array or a function. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  // Compared by structure: `structuredClone` returns objects of another realm under a test runner.
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** The elements of an array or a `Set`; undefined for anything else. */
export function elementsOf<T>(value: readonly T[] | ReadonlySet<T>): readonly T[];
export function elementsOf(value: unknown): readonly unknown[] | undefined;
export function elementsOf(value: unknown): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value as readonly unknown[];
  // `instanceof` fails for a Set from another realm.
  return Object.prototype.toString.call(value) === '[object Set]' ? [...(value as ReadonlySet<unknown>)] : undefined;
}

/**
 * Whether a value is an object with named fields: not an array, nor a container such as a Map or a Promise. A module
 * namespace (`import * as`) is one.
 */
export function isRecord(value: unknown): value is Record<string, unknown> {
  const kind = Object.prototype.toString.call(value);
  return kind === '[object Object]' || kind === '[object Module]';
}

/** Whether objects and arrays are nested more than `limit` levels deep. Does not recurse, so that hostile JSON cannot overflow the stack. */
export function isDeeper(value: unknown, limit: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > limit) return true;
    level = level.flatMap((node) => (isNode(node) ? Object.values(node).filter(isNode) : []));
  }
  return false;
}

function isNode(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Drops undefined values, so that spreading the result does not override what is below. */
export function withoutUndefined<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}

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
