import { type ServiceInstance } from '../../model/index.js';
import { type PickContext } from '../load-balancer.js';
import { type InstanceLoad } from '../load/load-tracker.js';

/** An instance as a strategy sees it. It stays the same object as long as the instance's id is listed. */
export interface Candidate {
  /** The latest state of the instance. */
  instance: ServiceInstance;
  readonly load: InstanceLoad;
  /** Its share relative to the others, above 0: the instance's weight, reduced during slow start. */
  weight: number;
}

/** The arguments of one choice. */
export interface PickArgs<C extends Candidate = Candidate> {
  /** The key for hash strategies; without one they use their fallback. */
  readonly key?: string;
  /** The call. */
  readonly context: PickContext;
  /**
   * The candidates before those that cannot take this call were removed. The same array as long as members and weights are
   * the same, so a strategy can cache what it derives from it. A hash strategy finds a key's owner in it and goes on from
   * there to a candidate that can take the call. A retry may have candidates that are not in it: those that others were
   * preferred to before.
   */
  readonly base: readonly C[];
  /**
   * All candidates with a weight that belong where `base` does, such as to its zone, whether they can take calls or not: a
   * superset of `base`, in the same order. The same array as long as it has the same members and weights, so an instance that
   * becomes unhealthy or recovers leaves it unchanged. Computed when called, since most strategies do not need it.
   */
  readonly registered: () => readonly C[];
}

/**
 * Chooses among instances that may all take the call; filters, health and outcomes are none of its business.
 * @typeParam C the candidate, with what the strategy stores in it
 */
export interface Strategy<C extends Candidate = Candidate> {
  /** What it chooses by, in a few words, for explanations. Every built-in strategy has one. */
  readonly goesBy?: string;
  /**
   * Whether half the `weight` means half the share, also while calls are few. If so, instances in slow start have less weight;
   * if not, the balancer makes them skip the part of their turns that exceeds their share. To use weights is not enough: a
   * strategy that sends the calls of an idle service to the fastest instance, whatever its weight, is not weighted.
   * @default false
   */
  readonly isWeighted?: boolean;
  /** The strategy that chooses for calls without a key, if that is another one; it may be weighted or not. */
  readonly fallback?: Strategy<C>;
  /**
   * Creates the candidate of a new instance; by default `known` itself. Best assign to `known` and return it: V8 turns objects
   * that are spread and extended into slow ones.
   */
  admit?(known: Candidate): C;
  /**
   * Called with the candidates of a pick with default criteria, after each change of members or weights. `choose` gets this
   * very array, so do work here that can be done in advance.
   */
  update?(usual: readonly C[]): void;
  /** Returns one of the candidates, of which there is at least one: those of `base`, or any others that were admitted. */
  choose(candidates: readonly C[], args: PickArgs<C>): C;
  /**
   * Like `choose`, among those of `args.base` that are not in `skipped`, of which there is at least one, without visiting all
   * of them: a pick that meets an open circuit, or a retry, skips only a few. It draws the random numbers that `choose` would draw
   * for the filtered array, so that both choose the same; `chooser.model.spec.ts` says which do not, and why. Without it,
   * `choose` gets that array.
   * @param skipped a few of the base: those tried before, then those that refused after `choose` returned them
   */
  chooseExcept?(skipped: readonly C[], args: PickArgs<C>): C;
  /**
   * The candidate that `choose` would return for this key, if that is certain: for explanations of hash strategies. Must not
   * change anything.
   */
  ownerOf?(candidates: readonly C[], args: PickArgs<C>): C | undefined;
}

/** The candidate at an index computed by a strategy. */
export function candidateAt<C extends Candidate>(candidates: readonly C[], index: number): C {
  const candidate = candidates[index];
  if (candidate === undefined) throw new RangeError(`There is no candidate ${index} of ${candidates.length}`);
  return candidate;
}

/** Chooses from the base without those skipped, which must not be all of it. */
export function chooseSkipping<C extends Candidate>(
  strategy: Strategy<C>,
  skipped: readonly C[],
  args: PickArgs<C>,
): C {
  if (skipped.length === 0) return strategy.choose(args.base, args);
  return strategy.chooseExcept?.(skipped, args) ?? strategy.choose(excluding(args.base, skipped), args);
}

export function excluding<C extends Candidate>(candidates: readonly C[], skipped: readonly C[]): readonly C[] {
  if (skipped.length === 0) return candidates;
  const out = new Set(skipped);
  return candidates.filter((candidate) => !out.has(candidate));
}

/** The indexes of some candidates of a list, in ascending order. */
export function indexesOf(some: readonly Candidate[], list: readonly Candidate[]): readonly number[] {
  return some.map((one) => list.indexOf(one)).sort((a, b) => a - b);
}

/**
 * Caches what a strategy computes for a list of candidates, as long as the list is referenced. The last list, which most
 * picks use again, needs no map lookup.
 */
export class PerList<List extends object, Value> {
  private readonly known = new WeakMap<List, Value>();
  private last: { readonly list: List; readonly value: Value } | undefined;

  constructor(private readonly make: (list: List) => Value) {}

  of(list: List): Value {
    if (this.last?.list === list) return this.last.value;
    let value = this.known.get(list);
    if (value === undefined) this.known.set(list, (value = this.make(list)));
    this.last = { list, value };
    return value;
  }
}
