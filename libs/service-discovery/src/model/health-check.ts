/** A status code, or the first and the last one of a range. */
export type StatusRange = number | readonly [from: number, to: number];

/** What JSON holds beside objects and lists. */
export type JsonScalar = string | number | boolean | null;

/**
 * What the body of a healthy answer holds: a text anywhere in it, or a value at a place in its JSON. Names on the way to
 * the place are joined by dots, elements of a list go by their number: `checks.0.status`.
 */
export type BodyCondition =
  | { readonly contains: string }
  | {
      readonly path: string;
      /** The value, or a list of those that will do. */
      readonly equals: JsonScalar | readonly JsonScalar[];
    };
