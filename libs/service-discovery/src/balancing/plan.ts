import { type ServiceInstance } from '../model/index.js';
import { type Selection } from './eligibility.js';
import { type Pool } from './pools.js';
import { type Roster } from './roster.js';
import { type Candidate, type Wish } from './strategy.js';
import { type UnavailableReason } from './unavailable-reason.js';

/** A pool as a strategy sees it. */
export interface CandidatePool extends Pool<Candidate> {
  /** What they weighed when the pool was made. */
  readonly weights: Readonly<Record<'members' | 'registered', readonly number[]>>;
}

/** What the picks of one kind choose from. */
export interface Plan {
  /** Why there is nobody; then there is no pool either. */
  readonly unavailable?: UnavailableReason;
  readonly pools: readonly CandidatePool[];
  readonly fit: readonly ServiceInstance[];
  readonly healthyShare: number;
  readonly isPanic: boolean;
}

/**
 * The plan for a selection.
 * @param before the plan of such picks until now: of pools that are as they were, the lists stay the same, and with
 *   them what strategies worked out for them
 */
export function planFor(selection: Selection, roster: Roster, before?: Plan): Plan {
  const { healthyShare = 1, isPanic = false } = selection.survey ?? {};
  if (selection.kind === 'unavailable') {
    return { unavailable: selection.reason, pools: [], fit: [], healthyShare, isPanic };
  }
  const pools = selection.pools.map((pool): CandidatePool => {
    const known = before?.pools.find(({ name }) => name === pool.name);
    const members = steady(roster.of(pool.members), known?.members, known?.weights.members);
    const registered = steady(roster.of(pool.registered), known?.registered, known?.weights.registered);
    const weights = { members: members.weights, registered: registered.weights };
    return { ...pool, members: members.list, registered: registered.list, weights };
  });
  return { pools, fit: selection.fit, healthyShare, isPanic };
}

/** The pool that a number in [0, 1) falls on. */
export function poolAt(pools: readonly CandidatePool[], draw: number): CandidatePool {
  const [only] = pools;
  if (only && pools.length === 1) return only;
  let end = 0;
  let chosen: CandidatePool | undefined;
  for (const pool of pools) {
    chosen = pool;
    end += pool.share;
    if (draw < end) break;
  }
  if (!chosen) throw new RangeError('There is no pool');
  return chosen;
}

/** Where in its pool a number falls, from 0 to 1: another even number, for another choice. */
export function placeIn(pools: readonly CandidatePool[], pool: CandidatePool, draw: number): number {
  let begin = 0;
  for (const other of pools) {
    if (other === pool) break;
    begin += other.share;
  }
  return (draw - begin) / pool.share;
}

/** Those left of the pool that a number falls on, and that pool before anybody was taken out. */
export function choiceAt(
  rest: Plan,
  usual: Plan,
  draw: number,
): Pick<Wish, 'base' | 'registered'> & { readonly members: readonly Candidate[] } {
  const pool = poolAt(rest.pools, draw);
  const { members: base, registered } = usual.pools.find(({ name }) => name === pool.name) ?? pool;
  return { members: pool.members, base, registered };
}

/** The pool that most calls go to. */
export function largestPool(pools: readonly CandidatePool[]): CandidatePool | undefined {
  return pools.reduce<CandidatePool | undefined>(
    (largest, pool) => (largest && largest.share >= pool.share ? largest : pool),
    undefined,
  );
}

/** A list with what it weighs: the one that was known, where it has the same members of the same weights. */
function steady(
  now: readonly Candidate[],
  known: readonly Candidate[] = [],
  weights: readonly number[] = [],
): { readonly list: readonly Candidate[]; readonly weights: readonly number[] } {
  const isUnchanged =
    known.length === now.length &&
    now.every((candidate, index) => candidate === known[index] && candidate.weight === weights[index]);
  return isUnchanged ? { list: known, weights } : { list: [...now], weights: now.map(({ weight }) => weight) };
}
