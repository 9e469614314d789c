import { type StatusReason } from '../status-merge.js';
import { type ExpiryHold, type InstanceStatus, type Tier } from '../../model/index.js';

/**
 * Status of one service:
 * - `healthy`: has a healthy instance and no unhealthy one.
 * - `degraded`: has a healthy instance and an unhealthy one.
 * - `unhealthy`: has no healthy instance.
 * - `unknown`: none of its instances has been checked yet, and calls of this process found none of them failing.
 *
 * Status of several services together:
 * - `healthy`: every service can be called and none has an unhealthy instance. A service that has not been checked yet
 *   can be called. With the rule `majority`: more than half of the services can be called.
 * - `unhealthy`: a required service is not registered or cannot be called, or no service has a healthy instance.
 * - `unknown`: no service has been checked yet, or there are none.
 * - `degraded`: everything else.
 *
 * An instance in maintenance or draining is neither healthy nor unhealthy, and cannot be called. A service with only
 * such instances is `unhealthy`, or `unknown` if none of them was ever checked. Weights do not matter: an instance of
 * weight 0 counts like any other.
 */
export type AggregatedStatus = (typeof AGGREGATED_STATUSES)[number];
export const AGGREGATED_STATUSES = ['healthy', 'degraded', 'unhealthy', 'unknown'] as const;

/** Restricts aggregation to services that match all fields given. */
export interface HealthSelection {
  /**
   * Names of services. Naming a service makes it required: if it is not registered, the status is `unhealthy`, see
   * {@link HealthSummary.missingServices}.
   * @default all registered services
   */
  readonly service?: string | readonly string[];
  /** Services with at least one instance that has the tag. All their instances count. */
  readonly tag?: string;
  /** Services with at least one instance that declares the tier. All their instances count. */
  readonly tier?: Tier;
}

/** How current the registry's data is. */
export interface RegistryHealth {
  /** False while the registry cannot be reached and the last known state is served. */
  readonly connected: boolean;
  /** Whole seconds since the served state was last confirmed; 0 while connected. */
  readonly ageSeconds: number;
  /** Why the registry refuses registrations and heartbeats although it can be read. Absent: it accepts them. */
  readonly writeRefusal?: string;
}

/** Aggregated status and counts, without the state of the registry. */
export interface HealthCounts {
  readonly overallStatus: AggregatedStatus;
  /** Registered services. */
  readonly totalServices: number;
  /** Services whose own status is `healthy`. The four counts add up to {@link HealthCounts.totalServices}. */
  readonly healthyServices: number;
  readonly degradedServices: number;
  readonly unhealthyServices: number;
  readonly unknownServices: number;
  /** Required services that are not registered. Empty until the registry has delivered its first snapshot. */
  readonly missingServices: readonly string[];
}

/** Aggregated status and counts of all services, and how current they are. */
export interface HealthSummary extends HealthCounts {
  readonly registry: RegistryHealth;
}

/** A change of one service's status. */
export interface ServiceStatusChange {
  readonly service: string;
  /** Null: it was not registered. */
  readonly from: AggregatedStatus | null;
  /** Null: it is no longer registered. */
  readonly to: AggregatedStatus | null;
}

/** A root cause: an unhealthy or missing service none of whose declared `dependencies` is unhealthy or missing. */
export interface Fault {
  /**
   * One service, or several unhealthy ones that depend on each other in a cycle, where it cannot be determined which
   * failed first.
   */
  readonly services: readonly string[];
  /** `not_registered`: another service depends on it or it is required, and it has no instance. */
  readonly kind: 'unhealthy' | 'not_registered';
  /** Unhealthy services that depend on it, directly or transitively: consequences rather than root causes. */
  readonly cascades: readonly string[];
  /** Services that depend on it and are not unhealthy yet. */
  readonly atRisk: readonly string[];
}

/** The health of all services, computed when it is asked for. */
export interface AggregatedHealth extends HealthSummary {
  /** When this was computed, in milliseconds since the Unix epoch. */
  readonly timestamp: number;
  /** Namespace of the registry; services of other namespaces are not included. Null: unknown. */
  readonly namespace: string | null;
  /** By service name. */
  readonly services: Readonly<Record<string, ServiceHealth>>;
  /** Faults that involve any of these services, those with the widest impact first. */
  readonly faults: readonly Fault[];
}

/**
 * One service. `endpoint`, `lastHeartbeat` and `healthData` are those of one instance. In order of preference: a
 * healthy one whose latest check reported no problem, a healthy one, an unchecked one, one that only calls found
 * failing, an unhealthy one, any; among equals the one registered first.
 */
export interface ServiceHealth {
  readonly status: AggregatedStatus;
  /** The base URL, such as `http://10.0.0.7:8080/api`. */
  readonly endpoint: string;
  /** Milliseconds since the Unix epoch. */
  readonly lastHeartbeat: number;
  /** The JSON body of its health endpoint's last response; null: none. */
  readonly healthData: unknown;
  /** Set while expiry is suspended because too many instances miss heartbeats at once; null: expiry works as usual. */
  readonly expiryHeld: ExpiryHold | null;
  /** Names of the services that any of its instances declares to call. */
  readonly dependencies: readonly string[];
  /**
   * Services at fault that it depends on, directly or transitively; at most 100. If it is unhealthy itself, they are
   * the likely cause.
   */
  readonly affectedBy: readonly string[];
  /** In order of registration. */
  readonly instances: readonly InstanceHealth[];
}

/** The health of one instance, as all sources together report it. */
export interface InstanceHealth {
  readonly instanceId: string;
  /** The operator's status if set, else the result of health checks, else what calls of this process found. */
  readonly status: InstanceStatus;
  /** What each source reports, highest precedence first: see {@link StatusReason}. */
  readonly reasons: readonly StatusReason[];
  readonly endpoint: string;
  readonly lastHeartbeat: number;
  /** When it was last checked, in milliseconds since the Unix epoch; null: never. */
  readonly lastChecked: number | null;
  readonly latencyMs: number | null;
  readonly statusCode: number | null;
  /** Why it is not healthy, or what was unusual about its response. */
  readonly reason: string | null;
  /** Whether its results change so often that it must pass checks for longer before it counts as healthy. */
  readonly flapping: boolean;
  readonly healthData: unknown;
}
