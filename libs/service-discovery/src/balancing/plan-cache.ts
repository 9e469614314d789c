import { type PickContext } from './load-balancer.js';
import { type Plan } from './plan.js';

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
