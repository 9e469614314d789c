import { type Problem } from './errors.js';
import { isPlainObject } from './values.js';
import { unknownOption } from './validation.js';

const NONE: readonly Problem[] = [];

/** The allowed field names of an object, for a check on every call: allocates nothing if all names are known. */
export class KnownNames {
  /** Without a prototype, whose property names would count as known. */
  private readonly known: Readonly<Record<string, true | undefined>>;

  /** @param misplaced by a name that belongs elsewhere, a hint to use instead of a similar name */
  constructor(
    private readonly names: readonly string[],
    private readonly misplaced: Readonly<Record<string, string>> = {},
  ) {
    const known = Object.create(null) as Record<string, true>;
    for (const name of names) known[name] = true;
    this.known = Object.freeze(known);
  }

  /** A copy with more names. */
  and(...names: readonly string[]): KnownNames {
    return new KnownNames([...this.names, ...names], this.misplaced);
  }

  /**
   * Problems for unknown names, such as misspelled ones. Extra fields of class instances are ignored.
   * @param path where the object stands; empty: field names stand alone
   */
  problemsOf(given: object, path = ''): readonly Problem[] {
    for (const name in given) if (this.known[name] === undefined) return this.find(given, path);
    return NONE;
  }

  private find(given: object, path: string): readonly Problem[] {
    if (!isPlainObject(given)) return NONE;
    return Object.entries(given).flatMap(([name, value]): Problem[] => {
      if (value === undefined || this.known[name]) return [];
      const problem = unknownOption(path === '' ? name : `${path}.${name}`, name, value, this.names);
      return [Object.hasOwn(this.misplaced, name) ? { ...problem, expected: this.misplaced[name]! } : problem];
    });
  }
}
