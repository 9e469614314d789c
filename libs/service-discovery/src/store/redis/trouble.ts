import { type RegistryTroubleKind } from '../../model/index.js';

/** Something in Redis that was skipped, or that was missed and repaired. */
export interface RedisTrouble {
  readonly kind: RegistryTroubleKind;
  /** Undefined if it affects the whole namespace. */
  readonly serviceName?: string;
  readonly instanceId?: string;
  readonly reason: string;
}

/** How often each kind of trouble was found since the start. */
export type RedisTroubleCounts = Readonly<Record<RegistryTroubleKind, number>>;

/** What is reported each time: it was repaired, or done again. */
const REPEATED: ReadonlySet<RegistryTroubleKind> = new Set<RegistryTroubleKind>([
  'gap',
  'correction',
  'restored',
  'unsigned_record',
  'forged_record',
  'replayed_record',
]);
/** How many faults are remembered, so that each is reported once. */
const MEMORY = 1_000;

/** Counts troubles, and reports a persistent fault only once although every sweep finds it. */
export class TroubleLog {
  private readonly known = new Set<string>();
  private readonly sums = {
    bad_record: 0,
    unreadable_service: 0,
    unreadable_namespace: 0,
    gap: 0,
    correction: 0,
    restored: 0,
    evictable: 0,
    unsigned_record: 0,
    forged_record: 0,
    replayed_record: 0,
  };

  constructor(private readonly onTrouble: (trouble: RedisTrouble) => void = () => undefined) {}

  get counts(): RedisTroubleCounts {
    return { ...this.sums };
  }

  note(trouble: RedisTrouble): void {
    if (!this.isNews(trouble)) return;
    this.sums[trouble.kind] += 1;
    this.onTrouble(trouble);
  }

  private isNews({ kind, serviceName, instanceId, reason }: RedisTrouble): boolean {
    if (REPEATED.has(kind)) return true;
    // Each script words its WRONGTYPE error differently.
    const about = kind === 'unreadable_service' ? '' : reason;
    const fault = JSON.stringify([kind, serviceName, instanceId, about]);
    if (this.known.has(fault)) return false;
    if (this.known.size >= MEMORY) this.known.clear();
    this.known.add(fault);
    return true;
  }
}

/**
 * Policies that evict any key when memory is full. The others spare keys without a TTL, as those of the registry are.
 */
const EVICTS_ANY_KEY = /^maxmemory_policy:(allkeys-\S+)/m;
const HAS_LIMIT = /^maxmemory:[1-9]/m;

/**
 * Why a server is not suited for the registry; undefined if it is.
 * @param info the answer to `INFO memory`
 */
export function findEviction(info: string): string | undefined {
  const [, policy] = EVICTS_ANY_KEY.exec(info) ?? [];
  if (policy === undefined || !HAS_LIMIT.test(info)) return undefined;
  return (
    `the maxmemory-policy of Redis is ${policy}, which also evicts keys of the registry when memory is full. Instances come ` +
    'back by themselves but may be missing for a while; use noeviction, a volatile policy, or a separate Redis'
  );
}
