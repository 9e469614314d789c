import { type ServiceInstance } from '../model/index.js';
import { type Selection } from './eligibility.js';
import { type Pool } from './pools.js';
import { type Roster } from './roster.js';
import { type Candidate, type Wish } from './strategy.js';
import { type UnavailableReason } from './unavailable-reason.js';

/** A pool as a strategy sees it. */
export interface CandidatePool extends Pool<Candidate> {
  /** What the members weighed when the pool was made. */
  readonly weights: readonly number[];
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
    const members = roster.of(pool.members);
    const known = before?.pools.find(({ name }) => name === pool.name);
    if (known && isUnchanged(known, members)) return { ...known, share: pool.share };
    return { ...pool, members, weights: members.map(({ weight }) => weight) };
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

/** The members of the pool that a number falls on, and those of the same pool before anybody was taken out. */
export function choiceAt(
  rest: Plan,
  usual: Plan,
  draw: number,
): Pick<Wish, 'base'> & { readonly members: readonly Candidate[] } {
  const { name, members } = poolAt(rest.pools, draw);
  return { members, base: usual.pools.find((known) => known.name === name)?.members ?? members };
}

/** The pool that most calls go to. */
export function largestPool(pools: readonly CandidatePool[]): CandidatePool | undefined {
  return pools.reduce<CandidatePool | undefined>(
    (largest, pool) => (largest && largest.share >= pool.share ? largest : pool),
    undefined,
  );
}

function isUnchanged({ members, weights }: CandidatePool, now: readonly Candidate[]): boolean {
  return (
    members.length === now.length &&
    now.every((candidate, index) => candidate === members[index] && candidate.weight === weights[index])
  );
}
