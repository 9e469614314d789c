/** How much a page shows unless a request says otherwise. */
export const DEFAULT_PAGE_LIMIT = 1_000;
/** The greatest `limit` of a request. */
export const GREATEST_PAGE_LIMIT = 10_000;

/** Which part of a list is asked for. */
export interface Page {
  /** How many items it shows at most, or how many of what a list counts in them: instances, in lists of services. */
  readonly limit: number;
  /** The name or id after which it begins. */
  readonly after?: string;
}

/** A part of a list, in the order of names or ids: that does not change while a client reads page by page. */
export interface Shown<T> {
  readonly items: readonly T[];
  /** The `after` of the page that follows; undefined: there is none. */
  readonly next?: string;
}

/**
 * As many items as count no more than `limit` together, at least one.
 * @param nameOf what the items are ordered by
 * @param sizeOf how much one counts: the instances of a service, for example
 */
export function pageOf<T>(
  items: Iterable<T>,
  { limit, after }: Page,
  nameOf: (item: T) => string,
  sizeOf: (item: T) => number = () => 1,
): Shown<T> {
  const rest = [...items].filter((item) => after === undefined || nameOf(item) > after);
  rest.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  let [end, size] = [0, 0];
  while (end < rest.length && (end === 0 || size + sizeOf(rest[end]!) <= limit)) size += sizeOf(rest[end++]!);
  return { items: rest.slice(0, end), next: end < rest.length ? nameOf(rest[end - 1]!) : undefined };
}
