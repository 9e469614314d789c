import { type ExpiryHold, type InstanceStatus, type ServiceInstance } from '../model/index.js';
import { type PassiveFinding } from './passive-health.js';

/**
 * Who has something to say about an instance, from the strongest to the weakest:
 * - `operator`: an operator, or the instance itself at shutdown, has taken it out.
 * - `lease`: its lease ran out. What has no lease is not listed at all, whatever checks say of it; so this layer speaks of a
 *   listed instance only while expiry is held, and then without a word on its status: so many miss their heartbeats that
 *   it says more of the network than of the instance. What checks find decides.
 * - `active`: health checks.
 * - `passive`: the calls of this process.
 */
export type StatusSource = 'operator' | 'lease' | 'active' | 'passive';

/** What one layer says of an instance. */
export interface StatusReason {
  readonly source: StatusSource;
  /** Its word; null: it has none, and leaves that to the next one. */
  readonly status: InstanceStatus | null;
  /** Why; null: nobody said. */
  readonly reason: string | null;
  /** Since when, in milliseconds since the Unix epoch; null: not known. */
  readonly since: number | null;
  /** Of an operator's word: who said it, where they told. */
  readonly by?: string;
}

/** What {@link reasonsOf} goes by beside the instance. */
export interface StatusContext {
  /** Whether expiry of the service is held. */
  readonly hold?: ExpiryHold | null;
  /** What calls have against the instance. */
  readonly finding?: PassiveFinding;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/** Nothing came of an instance for this share of its lease: it misses its heartbeats, see `SelfPreservationOptions`. */
const OVERDUE_SHARE = 2 / 3;

/**
 * The status of an instance by all that is known of it: the word of the strongest layer that has one, else `unknown`. What
 * calls found counts only where nobody has checked the instance: a check sees it as it is, calls see what came of them.
 */
export function mergedStatus(instance: ServiceInstance, finding: PassiveFinding | undefined): InstanceStatus {
  return finding && instance.status === 'unknown' ? 'unhealthy' : instance.status;
}

/** What each layer says that has something to say, the strongest first: the first word is the {@link mergedStatus}. */
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
