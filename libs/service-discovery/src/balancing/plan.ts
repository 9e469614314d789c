import { type ServiceInstance } from '../model/index.js';
import { type CandidateList, candidatesOf } from './candidate-list.js';
import { type PickContext } from './load-balancer.js';
import { type Selection } from './selection/eligibility.js';
import { type UnavailableReason } from './selection/explanation.js';
import { type Pool } from './selection/pools.js';
import { type Candidate, type PickArgs, type Strategy } from './strategies/strategy.js';

/** A pool as a strategy sees it. */
export interface CandidatePool extends Pool<Candidate>, WeightedMembers {
  readonly members: readonly Candidate[];
  readonly registeredList: RegisteredList;
}

/** Candidates and the weights that they had when the list was made. */
interface WeightedMembers {
  readonly members: readonly Candidate[];
  readonly weights: readonly number[];
}

/**
 * All registered candidates of a pool, computed when first needed. It keeps the members of the list before it rather than
 * that list itself, which would keep all earlier ones alive.
 */
export class RegisteredList {
  private computed: WeightedMembers | undefined;

  /**
   * @param source as it was when the plan was made: an update that changes nothing for picks replaces its list, not the plan
   * @param previous the members of the list before this one, if they were computed
   */
  constructor(
    private readonly pool: Pool,
    private readonly source: Pick<CandidateList, 'list' | 'candidates'>,
    private readonly previous?: WeightedMembers,
  ) {}

  get last(): WeightedMembers | undefined {
    return this.computed ?? this.previous;
  }

  readonly members = (): readonly Candidate[] => {
    this.computed ??= reuseIfUnchanged(candidatesOf(this.pool.registered(), this.source), this.previous);
    return this.computed.members;
  };
}

/** What picks with the same criteria choose from. */
export interface Plan {
  /** Why no instance can be picked; there are no pools then. */
  readonly unavailable?: UnavailableReason;
  readonly pools: readonly CandidatePool[];
  readonly usable: readonly ServiceInstance[];
  readonly healthyShare: number;
  readonly isPanic: boolean;
  /** Whether the pools hold unhealthy instances because no other can take such calls. */
  readonly isFailOpen: boolean;
}

/**
 * The plan for a selection.
 * @param before the previous plan for the same criteria: pools that have not changed keep their arrays, and with them what
 *   strategies have cached for them
 */
export function planFor(selection: Selection, candidateList: CandidateList, before?: Plan): Plan {
  const { survey, isPanic } = selection;
  const healthyShare = survey?.healthyShare ?? 1;
  if (selection.kind === 'unavailable') {
    return { unavailable: selection.reason, pools: [], usable: [], healthyShare, isPanic, isFailOpen: false };
  }
  const { list, candidates } = candidateList;
  const pools = selection.pools.map((pool): CandidatePool => {
    const previous = before?.pools.find(({ name }) => name === pool.name);
    const { members, weights } = reuseIfUnchanged(candidatesOf(pool.members, candidateList), previous);
    const registeredList = new RegisteredList(pool, { list, candidates }, previous?.registeredList.last);
    return { ...pool, members, weights, registeredList, registered: registeredList.members };
  });
  return { pools, usable: selection.usable, healthyShare, isPanic, isFailOpen: selection.isFailOpen };
}

/** The pool that a number in [0, 1) falls into, by the pools' shares. */
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

/** The position of a number within the pool that it falls into, in [0, 1): again uniform, for another draw. */
export function positionIn(pools: readonly CandidatePool[], pool: CandidatePool, draw: number): number {
  let begin = 0;
  for (const other of pools) {
    if (other === pool) break;
    begin += other.share;
  }
  return (draw - begin) / pool.share;
}

/** The members of the remaining pool that a number falls into, and that pool's base before instances were removed. */
export function choiceAt(
  rest: Plan,
  usual: Plan,
  draw: number,
): Pick<PickArgs, 'base' | 'registered'> & { readonly members: readonly Candidate[] } {
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

/**
 * The instance that a hash strategy would choose for a key: found as a pick finds it, but without changing anything.
 * @param usual the plan that ignores which instances the call has tried and which refuse it
 * @param rest the plan without those
 * @param draw the number that the key selects a pool with
 */
export function ownerOfKey(
  strategy: Strategy,
  { usual, rest, draw }: { readonly usual: Plan; readonly rest: Plan; readonly draw: number },
  args: Pick<PickArgs, 'key' | 'context'>,
): string | undefined {
  if (usual.unavailable !== undefined || rest.unavailable !== undefined) return undefined;
  const pool = poolAt(usual.pools, draw);
  const eligible = new Set(rest.pools.flatMap(({ members }) => members));
  const left = pool.members.filter((candidate) => eligible.has(candidate));
  const { members: base, registered } = pool;
  const { members, ...lists } =
    left.length > 0
      ? { members: left.length === base.length ? base : left, base, registered }
      : choiceAt(rest, usual, positionIn(usual.pools, pool, draw));
  return strategy.ownerOf?.(members, { ...args, ...lists })?.instance.instanceId;
}

/** The previous arrays if members and weights are the same, so that what is cached for them stays valid. */
function reuseIfUnchanged(now: readonly Candidate[], previous?: WeightedMembers): WeightedMembers {
  const isUnchanged =
    previous?.members.length === now.length &&
    now.every(
      (candidate, index) => candidate === previous.members[index] && candidate.weight === previous.weights[index],
    );
  return isUnchanged ? previous : { members: [...now], weights: now.map(({ weight }) => weight) };
}

/** Far more criteria than a service's callers use; bounds the cache against callers that generate them. */
const CRITERIA_LIMIT = 64;
const NONE: ReadonlySet<string> = new Set();

/** The plans of picks with the same criteria. */
interface Entry {
  usual?: CachedPlan;
  /** For picks while there are outliers or unreachable instances. */
  avoiding?: CachedPlan & { readonly avoid: readonly string[]; readonly unreachable: readonly string[] };
}

interface CachedPlan {
  readonly revision: number;
  readonly plan: Plan;
}

/** Caches plans by the criteria of a pick, so that each is made once until something changes. */
export class PlanCache {
  private readonly usual: Entry = {};
  private readonly entries = new Map<string, Entry>();
  private revision = 0;

  /** @param make makes a plan; `before` is the previous one for the same criteria */
  constructor(private readonly make: (context: PickContext, before?: Plan) => Plan) {}

  /** Makes every plan outdated. */
  invalidate(): void {
    this.revision++;
  }

  /**
   * The plan of a pick, ignoring which instances it has tried and which refuse it.
   * @param route the version that a route sends the pick to
   */
  for(context: PickContext, route: string | undefined): Plan {
    const { version, tags, protocol, zone, headers, avoid = NONE, unreachable = NONE } = context;
    const entry = hasDefaultCriteria(context, route) ? this.usual : this.entryOf(context, route);
    if (avoid.size === 0 && unreachable.size === 0) {
      if (entry.usual?.revision !== this.revision) {
        const plan = this.make({ version, tags, protocol, zone, headers }, entry.usual?.plan);
        entry.usual = { revision: this.revision, plan };
      }
      return entry.usual.plan;
    }
    const { avoiding } = entry;
    const isCurrent =
      avoiding?.revision === this.revision &&
      isSame(avoiding.avoid, avoid) &&
      isSame(avoiding.unreachable, unreachable);
    if (isCurrent) return avoiding.plan;
    const plan = this.make({ version, tags, protocol, zone, headers, avoid, unreachable }, avoiding?.plan);
    entry.avoiding = { revision: this.revision, plan, avoid: [...avoid], unreachable: [...unreachable] };
    return plan;
  }

  private entryOf({ version, tags, protocol, zone }: PickContext, route: string | undefined): Entry {
    const key = JSON.stringify([version, protocol, zone, route, tags]);
    let entry = this.entries.get(key);
    if (!entry) {
      if (this.entries.size >= CRITERIA_LIMIT) this.entries.clear();
      this.entries.set(key, (entry = {}));
    }
    return entry;
  }
}

/** Whether a pick asks for no version, tag, protocol, zone or route. */
export function hasDefaultCriteria({ version, tags, protocol, zone }: PickContext, route: string | undefined): boolean {
  return (
    version === undefined &&
    protocol === undefined &&
    zone === undefined &&
    route === undefined &&
    (tags === undefined || tags.length === 0)
  );
}

function isSame(ids: readonly string[], set: ReadonlySet<string>): boolean {
  return ids.length === set.size && ids.every((id) => set.has(id));
}
