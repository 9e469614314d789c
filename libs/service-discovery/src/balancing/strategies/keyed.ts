import { type Candidate, choosePast, leftOf, type Strategy, type Wish } from '../strategy.js';
import { type BuildHashTable, type HashTable } from './hash-table.js';
import { PerList } from './per-list.js';
import { KEY_SEED, stableHash } from './stable-hash.js';

/**
 * Calls with the same key go to the same instance, as long as it can take them; then to the one that comes next for
 * this key, so that what the owner leaves is spread over all others. Calls without a key go by another strategy.
 */
export class Keyed<C extends Candidate> implements Strategy<C> {
  readonly goesBy = 'the key of the call, and without one as its fallback does';
  readonly isWeighted = true;
  /** By all who are registered, so that no owner changes whose own state does not. */
  private readonly tables: PerList<readonly C[], Presences<C>>;

  /** @param bound how many times its fair part of the calls in flight a candidate may have; false: any number */
  constructor(
    build: BuildHashTable<C>,
    readonly fallback: Strategy<C>,
    private readonly bound: number | false,
  ) {
    this.tables = new PerList((registered) => new Presences(registered, build(registered)));
  }

  admit(known: Candidate): C {
    return this.fallback.admit?.(known) ?? (known as C);
  }

  choose(candidates: readonly C[], wish: Wish<C>): C {
    // Nobody of the base is left where calls have to go to those who would not get any else.
    return this.ownerOf(candidates, wish) ?? this.fallback.choose(candidates, wish);
  }

  chooseExcept(passed: readonly C[], wish: Wish<C>): C {
    // Those left are counted only where there is a bound.
    const left = this.bound === false ? wish.base : leftOf(wish.base, passed);
    return this.find(wish, left, (candidate) => !passed.includes(candidate)) ?? choosePast(this.fallback, passed, wish);
  }

  ownerOf(candidates: readonly C[], wish: Wish<C>): C | undefined {
    if (candidates === wish.base) return this.find(wish, candidates);
    const left = new Set(candidates);
    return this.find(wish, candidates, (candidate) => left.has(candidate));
  }

  /** @param isLeft whether a candidate of the base is left; undefined: all are */
  private find(
    { key, base, registered }: Wish<C>,
    left: readonly C[],
    isLeft?: (candidate: C) => boolean,
  ): C | undefined {
    if (key === undefined) return undefined;
    const table = this.tables.of(registered()).tableOf(base);
    const hash = stableHash(key, KEY_SEED);
    if (this.bound !== false) {
      const isBelow = boundOn(left, this.bound);
      const owner = table.find(hash, (candidate) => isBelow(candidate) && isLeft?.(candidate) !== false);
      if (owner) return owner;
    }
    return table.find(hash, isLeft);
  }
}

/** The table of all who are registered, and what it is while only some of them are there. */
class Presences<C extends Candidate> {
  private readonly tables = new PerList((present: readonly C[]) => {
    const absent = this.absentFrom(present);
    return absent.size === 0 ? this.table : this.table.without(absent);
  });

  constructor(
    private readonly registered: readonly C[],
    private readonly table: HashTable<C>,
  ) {}

  tableOf(present: readonly C[]): HashTable<C> {
    return this.tables.of(present);
  }

  private absentFrom(present: readonly C[]): ReadonlySet<C> {
    const absent = new Set<C>();
    let next = 0;
    for (const candidate of this.registered) {
      if (candidate === present[next]) next++;
      else absent.add(candidate);
    }
    return absent;
  }
}

/**
 * Whether a candidate may have one more call, which is as long as it has less than its part, by weight, of all calls in
 * flight with this one, times the bound. Somebody always is (Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with
 * Bounded Loads", 2016). The calls are counted only where it matters.
 */
function boundOn(candidates: readonly Candidate[], bound: number): (candidate: Candidate) => boolean {
  let calls = 0;
  let weights = 0;
  return ({ load, weight }) => {
    if (load.active === 0) return true;
    if (calls === 0) {
      calls = 1;
      for (const candidate of candidates) {
        calls += candidate.load.active;
        weights += candidate.weight;
      }
    }
    // In this form whole numbers stay whole, so that no rounding error makes one call more.
    return load.active * weights < bound * calls * weight;
  };
}
