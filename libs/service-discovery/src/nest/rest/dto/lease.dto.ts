import { type Lease, type LeaseKind } from '../../../model/index.js';
import { INSTANCE_ID_PATTERN, isServiceName } from '../../../model/index.js';
import { isLeaseKind, isWholeNumber, Rule } from './rule.js';

/** The body of a heartbeat; it may be left out. */
export class HeartbeatDto {
  /** Renews only if this generation still holds the lease. */
  @Rule('a generation: a whole number', isWholeNumber)
  generation?: number;
}

/** The query of a deregistration. */
export class DeregisterQuery {
  /** Deregisters only if this generation still holds the lease. */
  @Rule('a generation: a whole number', (value) => typeof value === 'string' && /^\d{1,16}$/.test(value))
  generation?: string;
}

export interface LeaseBody {
  service_name: string;
  instance_id: string;
  generation: number;
}

/** As many as a process may hold; more are sent in several requests. */
const LEASE_BATCH_LIMIT = 10_000;

/** The body of `POST /heartbeats`. */
export class HeartbeatsDto {
  @Rule(
    `a list of at most ${LEASE_BATCH_LIMIT} leases, each with service_name, instance_id and generation`,
    (value) => Array.isArray(value) && value.length <= LEASE_BATCH_LIMIT && value.every(isLeaseBody),
    { optional: false },
  )
  leases!: LeaseBody[];

  /** `checks`: they come of health checks, and extend those leases alone that checks keep. Left out: they are heartbeats. */
  @Rule('"checks" or "heartbeat"', isLeaseKind)
  by?: LeaseKind;
}

/** The lease's length is the store's own knowledge; it plays no part in a renewal. */
export function toLease(body: LeaseBody): Lease {
  return { serviceName: body.service_name, instanceId: body.instance_id, generation: body.generation, ttlMs: 0 };
}

function isLeaseBody(value: unknown): value is LeaseBody {
  if (typeof value !== 'object' || value === null) return false;
  const { service_name: name, instance_id: id, generation } = value as Partial<Record<keyof LeaseBody, unknown>>;
  return isServiceName(name) && typeof id === 'string' && INSTANCE_ID_PATTERN.test(id) && isWholeNumber(generation);
}
