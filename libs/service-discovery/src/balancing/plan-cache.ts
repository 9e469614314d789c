import { type PickContext } from './load-balancer.js';
import { type Plan } from './plan.js';

/** A service's callers ask by few criteria: beyond this, somebody makes them up. */
const CRITERIA_LIMIT = 64;
const NONE: ReadonlySet<string> = new Set();

/** The plans of picks with the same criteria. */
interface Entry {
  usual?: Dated;
  /** While there are outliers, or instances out of reach. */
  avoiding?: Dated & { readonly avoid: readonly string[]; readonly unreachable: readonly string[] };
}

interface Dated {
  readonly revision: number;
  readonly plan: Plan;
}

/** Remembers plans by what a pick asks for, so that each is worked out once as long as nothing changes. */
export class PlanCache {
  private readonly usual: Entry = {};
  private readonly entries = new Map<string, Entry>();
  private revision = 0;

  /** @param make works a plan out; `before` is what it was when it was last asked for */
  constructor(private readonly make: (context: PickContext, before?: Plan) => Plan) {}

  /** Everything has to be worked out again. */
  renew(): void {
    this.revision++;
  }

  /**
   * The plan of a pick, apart from whom it has tried and who refuses it.
   * @param route the version that a route sends the pick to
   */
  for(context: PickContext, route: string | undefined): Plan {
    const { version, tags, zone, headers, avoid = NONE, unreachable = NONE } = context;
    const entry = isUnspecific(context, route) ? this.usual : this.entryOf(context, route);
    if (avoid.size === 0 && unreachable.size === 0) {
      if (entry.usual?.revision !== this.revision) {
        const plan = this.make({ version, tags, zone, headers }, entry.usual?.plan);
        entry.usual = { revision: this.revision, plan };
      }
      return entry.usual.plan;
    }
    const { avoiding } = entry;
    const isKnown =
      avoiding?.revision === this.revision &&
      isSame(avoiding.avoid, avoid) &&
      isSame(avoiding.unreachable, unreachable);
    if (isKnown) return avoiding.plan;
    const plan = this.make({ version, tags, zone, headers, avoid, unreachable }, avoiding?.plan);
    entry.avoiding = { revision: this.revision, plan, avoid: [...avoid], unreachable: [...unreachable] };
    return plan;
  }

  private entryOf({ version, tags, zone }: PickContext, route: string | undefined): Entry {
    const key = JSON.stringify([version, zone, route, tags]);
    let entry = this.entries.get(key);
    if (!entry) {
      if (this.entries.size >= CRITERIA_LIMIT) this.entries.clear();
      this.entries.set(key, (entry = {}));
    }
    return entry;
  }
}

/** Whether a pick asks for nothing that not every other one wants, too. */
export function isUnspecific({ version, tags, zone }: PickContext, route: string | undefined): boolean {
  return (
    version === undefined && zone === undefined && route === undefined && (tags === undefined || tags.length === 0)
  );
}

function isSame(ids: readonly string[], set: ReadonlySet<string>): boolean {
  return ids.length === set.size && ids.every((id) => set.has(id));
}
