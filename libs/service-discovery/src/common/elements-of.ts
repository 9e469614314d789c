/** The elements of an array or a `Set`; undefined for anything else. */
export function elementsOf<T>(value: readonly T[] | ReadonlySet<T>): readonly T[];
export function elementsOf(value: unknown): readonly unknown[] | undefined;
export function elementsOf(value: unknown): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value as readonly unknown[];
  // `instanceof` fails for a Set from another realm.
  return Object.prototype.toString.call(value) === '[object Set]' ? [...(value as ReadonlySet<unknown>)] : undefined;
}
