import { type ExpiryHold, type InstanceStatus, type ServiceInstance } from '../model/index.js';

/** Evidence from calls that an instance is failing. */
export interface PassiveFinding {
  /** A short phrase. */
  readonly reason: string;
  /** Milliseconds since the Unix epoch; null: unknown. */
  readonly since: number | null;
}

/**
 * Evidence about instances from this process's own calls, such as open circuits. A finding holds until calls show
 * otherwise.
 */
export interface PassiveHealth {
  /** By instance id; empty if no instance of the service is failing. */
  findingsOn(serviceName: string): ReadonlyMap<string, PassiveFinding>;
  /**
   * Calls `listener` with a service name whenever the findings on its instances may have changed.
   * @returns unsubscribes
   */
  onChange(listener: (serviceName: string) => void): () => void;
}

/** For a process that makes no calls, or that has found nothing. */
export const NO_FINDINGS: ReadonlyMap<string, PassiveFinding> = new Map();

/**
 * The sources of an instance's status, highest precedence first:
 * - `operator`: taken out by an operator, or by the instance itself at shutdown.
 * - `lease`: the lease expired. An instance without a lease is normally removed, so this source appears only while
 *   expiry is held, and then carries no status: with so many missed heartbeats the network is the likelier cause, so
 *   health checks decide.
 * - `active`: health checks.
 * - `passive`: calls made by this process.
 */
export type StatusSource = 'operator' | 'lease' | 'active' | 'passive';

/** What one source reports about an instance. */
export interface StatusReason {
  readonly source: StatusSource;
  /** Null: the source leaves the status to the next one. */
  readonly status: InstanceStatus | null;
  /** Null: none given. */
  readonly reason: string | null;
  /** In milliseconds since the Unix epoch; null: unknown. */
  readonly since: number | null;
  /** Who set the operator status, if given. */
  readonly by?: string;
}

/** Input of {@link reasonsOf} besides the instance. */
export interface StatusContext {
  /** Set while expiry of the service is held. */
  readonly hold?: ExpiryHold | null;
  /** Evidence from calls against the instance. */
  readonly finding?: PassiveFinding;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/** An instance silent for this fraction of its lease counts as missing heartbeats, see `SelfPreservationOptions`. */
const OVERDUE_SHARE = 2 / 3;

/**
 * The status from the source with the highest precedence that has one, else `unknown`. Findings of calls count only if
 * the instance has not been checked: a check is the better evidence.
 */
export function mergedStatus(instance: ServiceInstance, finding: PassiveFinding | undefined): InstanceStatus {
  return finding && instance.status === 'unknown' ? 'unhealthy' : instance.status;
}

/** What each source reports, highest precedence first; the first status is the {@link mergedStatus}. */
export function reasonsOf(instance: ServiceInstance, { hold, finding, now }: StatusContext): readonly StatusReason[] {
  const { operatorStatus, operatorNote, healthStatus, health, lastHeartbeat, ttlMs } = instance;
  const reasons: StatusReason[] = [];
  if (operatorStatus !== 'up') {
    const { reason = null, since = null, by } = operatorNote ?? {};
    const said = { source: 'operator', status: operatorStatus, reason, since } as const;
    reasons.push(by === undefined ? said : { ...said, by });
  }
  if (hold && now - lastHeartbeat >= OVERDUE_SHARE * ttlMs) {
    const reason = `it misses its heartbeats, as do ${hold.overdue} of ${hold.total}: expiry is held`;
    reasons.push({ source: 'lease', status: null, reason, since: hold.since });
  }
  if (healthStatus !== 'unknown') {
    const { reason = null, since = null } = health ?? {};
    reasons.push({ source: 'active', status: healthStatus, reason, since });
  }
  if (finding) reasons.push({ source: 'passive', status: 'unhealthy', reason: finding.reason, since: finding.since });
  return reasons;
}
