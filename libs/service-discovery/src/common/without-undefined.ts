/** The same values without those that are undefined: what is undefined says nothing, and covers nothing that is below it. */
export function withoutUndefined<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
