import { type ServiceInstance } from '../model/index.js';
import { type PickContext } from './load-balancer.js';
import { type InstanceLoad } from './load-tracker.js';

/** An instance as a strategy sees it. The same object stands for it as long as its id is listed. */
export interface Candidate {
  /** As last updated. */
  instance: ServiceInstance;
  readonly load: InstanceLoad;
  /** What its share goes by, relative to the others and above 0: the instance's weight, less while it starts slowly. */
  weight: number;
}

/** What one choice goes by. */
export interface Wish<C extends Candidate = Candidate> {
  /** What hash strategies go by; without it they choose as their fallback does. */
  readonly key?: string;
  /** The call. */
  readonly context: PickContext;
  /**
   * The candidates before those were taken out that cannot take this call. The same array for as long as it has the
   * same members of the same weights, so what is worked out for it can be kept; a hash strategy finds a key's owner in
   * it, and walks on from there to one that is left. A retry may have candidates that are not in it: those that stood
   * behind others before.
   */
  readonly base: readonly C[];
  /**
   * All who belong where the base does, such as to its zone, and weigh anything, whether they can take calls or not: the base
   * and more, in the same order. It stays the same array as `base` does, so an instance that falls ill or recovers leaves it
   * as it is. Found when it is asked for, since most strategies do not.
   */
  readonly registered: () => readonly C[];
}

/**
 * Chooses among instances that may all take the call; it knows nothing of filters, health or outcomes.
 * @typeParam C what the strategy keeps of an instance
 */
export interface Strategy<C extends Candidate = Candidate> {
  /** What it goes by, in a few words, for explanations. */
  readonly goesBy?: string;
  /**
   * Whether half the `weight` makes for half the share. Where it does not, the balancer passes over the part of the
   * choices that an instance must not have yet while it starts slowly.
   * @default false
   */
  readonly isWeighted?: boolean;
  /** What it leaves calls without a key to, where that is another strategy, which may go by weights or not. */
  readonly fallback?: Strategy<C>;
  /**
   * Makes the candidate of an instance that is new, out of what is known of it; left out: that will do. Best is `known`
   * itself with more assigned to it: V8 makes slow objects of copies that are spread and extended.
   */
  admit?(known: Candidate): C;
  /**
   * Takes over the candidates of a pick without special wishes; `choose` gets this very list then, so what can be
   * worked out in advance belongs here. Called after each change, of weights too.
   */
  update?(usual: readonly C[]): void;
  /** One of the candidates, of which there is at least one: the usual ones, or any others that were admitted. */
  choose(candidates: readonly C[], wish: Wish<C>): C;
  /**
   * The same as `choose` among those of `wish.base` that are not passed over, of which there is at least one, without a
   * look at all of them: a pick that meets an open circuit, or a retry, passes over a few. Left out: they are made a list
   * for `choose`.
   * @param passed a few of the base: those that were tried, then those that refuse, of which `choose` gave one before
   */
  chooseExcept?(passed: readonly C[], wish: Wish<C>): C;
  /**
   * Whom `choose` would take for this key, where it is sure to: for explanations of strategies that go by keys. Changes
   * nothing.
   */
  ownerOf?(candidates: readonly C[], wish: Wish<C>): C | undefined;
}

/** The candidate at an index that a strategy worked out. */
export function candidateAt<C extends Candidate>(candidates: readonly C[], index: number): C {
  const candidate = candidates[index];
  if (candidate === undefined) throw new RangeError(`There is no candidate ${index} of ${candidates.length}`);
  return candidate;
}

/** One of the base apart from those that are passed over, which are not all of it. */
export function choosePast<C extends Candidate>(strategy: Strategy<C>, passed: readonly C[], wish: Wish<C>): C {
  if (passed.length === 0) return strategy.choose(wish.base, wish);
  return strategy.chooseExcept?.(passed, wish) ?? strategy.choose(leftOf(wish.base, passed), wish);
}

export function leftOf<C extends Candidate>(candidates: readonly C[], passed: readonly C[]): readonly C[] {
  if (passed.length === 0) return candidates;
  const out = new Set(passed);
  return candidates.filter((candidate) => !out.has(candidate));
}
