import { differenceOf } from '../../common/index.js';
import { FIRST_MEMBER_SEED, KEY_SEED, SECOND_MEMBER_SEED, stableHash } from './stable-hash.js';
import { type Candidate, chooseSkipping, excluding, PerList, type PickArgs, type Strategy } from './strategy.js';

/** Finds the owner of a key among the candidates that it was built from, independent of their order. */
export interface HashTable<C extends Candidate> {
  /**
   * The owner, or the next candidate for this key that is accepted; undefined if none is.
   * @param hash of the key, 32 bits
   * @param accepts whether a candidate can take the call; by default all can
   */
  find(hash: number, accepts?: (candidate: C) => boolean): C | undefined;
  /** The table while some candidates are absent: their keys go to the next candidates, and no other key moves. */
  without(absent: ReadonlySet<C>): HashTable<C>;
}

/** Called when the list or a weight changes; may cache what it can reuse. */
export type BuildHashTable<C extends Candidate> = (members: readonly C[]) => HashTable<C>;

/** A candidate and its hashes, computed once while it is listed. */
export interface Member<C extends Candidate> {
  readonly candidate: C;
  /** Two independent hashes of the id. */
  readonly first: number;
  readonly second: number;
}

/**
 * Sorts lists by id, so that all processes agree on the order. It starts from the previous result, which makes sorting a list
 * that changed little fast.
 */
export class OrderById<C extends Candidate> {
  private list: readonly C[] = [];
  private sorted: readonly Member<C>[] = [];

  of(list: readonly C[]): readonly Member<C>[] {
    const { start, endBefore, endAfter } = differenceOf(this.list, list, Object.is);
    const gone = new Set(this.list.slice(start, endBefore));
    const staying = this.sorted.filter(({ candidate }) => !gone.has(candidate));
    this.list = list;
    this.sorted = [...staying, ...list.slice(start, endAfter).map(memberOf)].sort(byId);
    return this.sorted;
  }
}

function memberOf<C extends Candidate>(candidate: C): Member<C> {
  const { instanceId } = candidate.instance;
  return {
    candidate,
    first: stableHash(instanceId, FIRST_MEMBER_SEED),
    second: stableHash(instanceId, SECOND_MEMBER_SEED),
  };
}

function byId({ candidate: a }: Member<Candidate>, { candidate: b }: Member<Candidate>): number {
  return a.instance.instanceId < b.instance.instanceId ? -1 : 1;
}

/**
 * Sends calls with the same key to the same instance while it can take them, and otherwise to the next one for this key, so
 * that an owner's keys are spread over all others. Calls without a key use the fallback strategy.
 */
export class Keyed<C extends Candidate> implements Strategy<C> {
  readonly goesBy = 'the key of the call, and without one as its fallback does';
  readonly isWeighted = true;
  /** Built from all registered candidates, so that a key's owner does not change with the state of other instances. */
  private readonly tables: PerList<readonly C[], PresentTables<C>>;

  /** @param bound the multiple of its fair share of calls in flight that a candidate may have; false: no limit */
  constructor(
    build: BuildHashTable<C>,
    readonly fallback: Strategy<C>,
    private readonly bound: number | false,
  ) {
    this.tables = new PerList((registered) => new PresentTables(registered, build(registered)));
  }

  admit(known: Candidate): C {
    return this.fallback.admit?.(known) ?? (known as C);
  }

  choose(candidates: readonly C[], args: PickArgs<C>): C {
    // No owner: the candidates may all be outside the base, when only instances are left that others were preferred to.
    return this.ownerOf(candidates, args) ?? this.fallback.choose(candidates, args);
  }

  chooseExcept(skipped: readonly C[], args: PickArgs<C>): C {
    // Only the bound needs the remaining candidates.
    const left = this.bound === false ? args.base : excluding(args.base, skipped);
    return (
      this.find(args, left, (candidate) => !skipped.includes(candidate)) ?? chooseSkipping(this.fallback, skipped, args)
    );
  }

  ownerOf(candidates: readonly C[], args: PickArgs<C>): C | undefined {
    if (candidates === args.base) return this.find(args, candidates);
    const left = new Set(candidates);
    return this.find(args, candidates, (candidate) => left.has(candidate));
  }

  /** @param isLeft whether a candidate of the base can take the call; undefined: all can */
  private find(
    { key, base, registered }: PickArgs<C>,
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

/** The table of all registered candidates, and those derived from it for when only some of them are present. */
class PresentTables<C extends Candidate> {
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
 * Returns whether a candidate may have one more call: it has to be below its share, by weight, of all calls in flight
 * including this one, times the bound. At least one candidate always is (Mirrokni, Thorup and Zadimoghaddam, "Consistent
 * Hashing with Bounded Loads", 2016). The calls are only summed up when a candidate is not idle.
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
    // Multiplied out, integers stay exact, so that no rounding error admits one call too many.
    return load.active * weights < bound * calls * weight;
  };
}
