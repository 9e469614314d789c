import { type ExpiryHold } from '../../model/index.js';
import { type SelfPreservationOptions } from '../self-preservation.js';

/** A lease as the guard sees it; in monotonic milliseconds. */
export interface GuardedLease {
  readonly endsAt: number;
  readonly instance: { readonly ttlMs: number };
}

export interface Verdict {
  /** Leases that ended by then expire; the others are held. */
  readonly takeUpTo: number;
  /** The change of the hold to publish: null if it is over, undefined if there is none. */
  readonly news: ExpiryHold | null | undefined;
}

interface Held {
  readonly since: number;
  /** When the share became low; undefined while it is not. */
  readonly calmSince: number | undefined;
  /** What was published last. */
  readonly published: ExpiryHold;
}

/** How far the number of overdue instances has to move to be published again, as a share of the total. */
const PUBLISH_SHARE = 0.1;

/** Decides for each service whether its leases may expire, see {@link SelfPreservationOptions}. */
export class ExpiryGuard {
  private readonly held = new Map<string, Held>();

  constructor(private readonly rules: SelfPreservationOptions) {}

  get holds(): ReadonlyMap<string, ExpiryHold> {
    return new Map([...this.held].map(([name, { published }]) => [name, published]));
  }

  /** The services to judge again even if none of their leases ends. */
  heldServices(): string[] {
    return [...this.held.keys()];
  }

  /** @param serviceName undefined: any service */
  isHolding(serviceName?: string): boolean {
    return serviceName === undefined ? this.held.size > 0 : this.held.has(serviceName);
  }

  /**
   * @param leases all leases of the service
   * @param steadySince no heartbeat could arrive before, so time counts from then on
   * @param epochNow `now` in milliseconds since the Unix epoch
   */
  judge(
    serviceName: string,
    leases: ReadonlyMap<string, GuardedLease>,
    now: number,
    steadySince: number,
    epochNow: number,
  ): Verdict {
    const known = this.held.get(serviceName);
    const { share, minInstances } = this.rules;
    // Nothing can be held, so there is nothing to count.
    if (!known && (share >= 1 || leases.size < minInstances)) return { takeUpTo: now, news: undefined };
    const leaseMs = firstToEnd(leases)?.instance.ttlMs ?? 0;
    const isSpent = known !== undefined && Math.max(known.since, steadySince) + leaseMs <= now;
    const spentUpTo = isSpent ? now - leaseMs : Number.NEGATIVE_INFINITY;
    const { total, expired, overdue } = count(leases, now, spentUpTo);
    const isTooMany = overdue >= minInstances && overdue > share * total;

    if (!known && !(isTooMany && expired > 0)) return { takeUpTo: now, news: undefined };
    const calmSince = isTooMany ? undefined : (known?.calmSince ?? now);
    const isCalm = calmSince !== undefined && now - Math.max(calmSince, steadySince) >= leaseMs / 3;
    if (isCalm || (!isTooMany && expired === 0)) {
      this.held.delete(serviceName);
      return { takeUpTo: now, news: null };
    }
    const hold = { since: known?.published.since ?? epochNow, overdue, total };
    const isNews = !known || Math.abs(overdue - known.published.overdue) >= PUBLISH_SHARE * total;
    this.held.set(serviceName, { since: known?.since ?? now, calmSince, published: isNews ? hold : known.published });
    return { takeUpTo: spentUpTo, news: isNews ? hold : undefined };
  }
}

function firstToEnd(leases: ReadonlyMap<string, GuardedLease>): GuardedLease | undefined {
  let first: GuardedLease | undefined;
  for (const lease of leases.values()) if (!first || lease.endsAt < first.endsAt) first = lease;
  return first;
}

/** @param spentUpTo leases that ended by then are not counted */
function count(
  leases: ReadonlyMap<string, GuardedLease>,
  now: number,
  spentUpTo: number,
): { total: number; expired: number; overdue: number } {
  let [total, expired, overdue] = [0, 0, 0];
  for (const { endsAt, instance } of leases.values()) {
    if (endsAt <= spentUpTo) continue;
    total += 1;
    if (endsAt <= now) expired += 1;
    if (endsAt - now <= instance.ttlMs / 3) overdue += 1;
  }
  return { total, expired, overdue };
}
