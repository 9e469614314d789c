import { type ServiceInstance } from '../model/index.js';
import { type Selection } from './eligibility.js';
import { type Pool } from './pools.js';
import { candidatesOf, type Roster } from './roster.js';
import { type Candidate, type Wish } from './strategy.js';
import { type UnavailableReason } from './unavailable-reason.js';

/** A pool as a strategy sees it. */
export interface CandidatePool extends Pool<Candidate>, Weighed {
  readonly members: readonly Candidate[];
  readonly lineup: Lineup;
}

/** Candidates, and what they weighed at a time. */
interface Weighed {
  readonly members: readonly Candidate[];
  readonly weights: readonly number[];
}

/**
 * All who are registered where a pool is, found when somebody asks. It holds nothing of the plans before, which would hold
 * those before them.
 */
export class Lineup {
  private found: Weighed | undefined;

  /**
   * @param roster as it is: an update that changes nothing for picks renews the list, and not the plan
   * @param known what was found when somebody asked for the last time
   */
  constructor(
    private readonly pool: Pool,
    private readonly roster: Pick<Roster, 'list' | 'candidates'>,
    private readonly known?: Weighed,
  ) {}

  get last(): Weighed | undefined {
    return this.found ?? this.known;
  }

  readonly members = (): readonly Candidate[] => {
    this.found ??= steady(candidatesOf(this.pool.registered(), this.roster), this.known);
    return this.found.members;
  };
}

/** What the picks of one kind choose from. */
export interface Plan {
  /** Why there is nobody; then there is no pool either. */
  readonly unavailable?: UnavailableReason;
  readonly pools: readonly CandidatePool[];
  readonly fit: readonly ServiceInstance[];
  readonly healthyShare: number;
  readonly isPanic: boolean;
  /** Whether the instances are unhealthy, as no other can take such calls. */
  readonly isFailOpen: boolean;
}

/**
 * The plan for a selection.
 * @param before the plan of such picks until now: of pools that are as they were, the lists stay the same, and with
 *   them what strategies worked out for them
 */
export function planFor(selection: Selection, roster: Roster, before?: Plan): Plan {
  const { survey, isPanic } = selection;
  const healthyShare = survey?.healthyShare ?? 1;
  if (selection.kind === 'unavailable') {
    return { unavailable: selection.reason, pools: [], fit: [], healthyShare, isPanic, isFailOpen: false };
  }
  const { list, candidates } = roster;
  const pools = selection.pools.map((pool): CandidatePool => {
    const known = before?.pools.find(({ name }) => name === pool.name);
    const { members, weights } = steady(candidatesOf(pool.members, roster), known);
    const lineup = new Lineup(pool, { list, candidates }, known?.lineup.last);
    return { ...pool, members, weights, lineup, registered: lineup.members };
  });
  return { pools, fit: selection.fit, healthyShare, isPanic, isFailOpen: selection.isFailOpen };
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

/** Candidates with what they weigh: what was known, where it is the same members of the same weights. */
function steady(now: readonly Candidate[], known?: Weighed): Weighed {
  const isUnchanged =
    known?.members.length === now.length &&
    now.every((candidate, index) => candidate === known.members[index] && candidate.weight === known.weights[index]);
  return isUnchanged ? known : { members: [...now], weights: now.map(({ weight }) => weight) };
}
