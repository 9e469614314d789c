import { type Problem } from './errors.js';
import { isPlainObject } from './plain-object.js';
import { unknownOption } from './validation.js';

const NONE: readonly Problem[] = [];

/** The names that an object may have, for a check that is made at every call: where all are known, it makes nothing. */
export class KnownNames {
  /** Without a prototype, whose names would be known, too. */
  private readonly known: Readonly<Record<string, true | undefined>>;

  /** @param misplaced by a name that is known elsewhere, what to say of it in place of one that looks alike */
  constructor(
    private readonly names: readonly string[],
    private readonly misplaced: Readonly<Record<string, string>> = {},
  ) {
    const known = Object.create(null) as Record<string, true>;
    for (const name of names) known[name] = true;
    this.known = Object.freeze(known);
  }

  /** These and others. */
  and(...names: readonly string[]): KnownNames {
    return new KnownNames([...this.names, ...names], this.misplaced);
  }

  /**
   * Names that are none of these, such as misspelled ones. What an instance of a class holds besides is its own matter.
   * @param path where the object stands; empty: its names stand for themselves
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
