import { type StatusReason } from '../status-merge.js';
import { type ExpiryHold, type InstanceStatus, type Tier } from '../../model/index.js';

/**
 * The status of a service:
 * - `healthy`: it has a healthy instance, and no unhealthy one.
 * - `degraded`: it has a healthy instance, and an unhealthy one.
 * - `unhealthy`: it has no healthy instance.
 * - `unknown`: none of its instances was checked yet, nor did calls of this process find one unwell.
 *
 * The status of several services together:
 * - `healthy`: every service can be called, and none has an unhealthy instance. A service that was not checked yet can be
 *   called. With the rule `majority`: more than half of the services can be called.
 * - `unhealthy`: a required service is not registered or cannot be called, or no service has a healthy instance.
 * - `unknown`: no service was checked yet, or there is none.
 * - `degraded`: everything else.
 *
 * An instance in maintenance or draining is neither healthy nor unhealthy, and cannot be called. A service that has only such
 * instances is `unhealthy`, or `unknown` if none of them was ever checked. Weights do not matter: an instance of weight 0
 * counts as any other.
 */
export type AggregatedStatus = (typeof AGGREGATED_STATUSES)[number];
export const AGGREGATED_STATUSES = ['healthy', 'degraded', 'unhealthy', 'unknown'] as const;

/** Which services are summed up: those that all of this applies to. */
export interface HealthSelection {
  /**
   * Names of services. Whoever names a service counts on it: one that is not registered makes the status `unhealthy`,
   * see {@link HealthSummary.missingServices}.
   * @default all that are registered
   */
  readonly service?: string | readonly string[];
  /** Services that have an instance with the tag. They count with all their instances. */
  readonly tag?: string;
  /** Services that have an instance that declares the tier. They count with all their instances. */
  readonly tier?: Tier;
}

/** How current a registry's word is. */
export interface RegistryHealth {
  /** False while the registry cannot be reached: then the last good answer is served. */
  readonly connected: boolean;
  /** Whole seconds since that answer was last known to be true; 0 while connected. */
  readonly ageSeconds: number;
  /** Why the registry takes no registrations and no heartbeats, though it can be read. Left out: it takes them. */
  readonly writeRefusal?: string;
}

/** What all services come to, without how current that is. */
export interface HealthCounts {
  readonly overallStatus: AggregatedStatus;
  /** Services that are registered. */
  readonly totalServices: number;
  /** Services whose own status is `healthy`. The four counts add up to {@link HealthCounts.totalServices}. */
  readonly healthyServices: number;
  readonly degradedServices: number;
  readonly unhealthyServices: number;
  readonly unknownServices: number;
  /** Services that are counted on and are not registered. None is missing before the registry has told what there is. */
  readonly missingServices: readonly string[];
}

/** All services in a few words, and how current they are. */
export interface HealthSummary extends HealthCounts {
  readonly registry: RegistryHealth;
}

/** A service whose status became another one. */
export interface ServiceStatusChange {
  readonly service: string;
  /** Null: it was not registered. */
  readonly from: AggregatedStatus | null;
  /** Null: it is not registered any more. */
  readonly to: AggregatedStatus | null;
}

/**
 * Something that is out of order by itself, as far as services say whom they call (`dependencies` of a registration):
 * nothing that it depends on is.
 */
export interface Fault {
  /**
   * One service, or several that are unhealthy and depend on each other in a circle, so that nobody can tell which of
   * them failed first.
   */
  readonly services: readonly string[];
  /** `not_registered`: some other service depends on it, or it is counted on, and there is no instance of it. */
  readonly kind: 'unhealthy' | 'not_registered';
  /** Services that depend on it, directly or through others, and are unhealthy: its consequences, no faults of their own. */
  readonly cascades: readonly string[];
  /** Services that depend on it and are not unhealthy yet. */
  readonly atRisk: readonly string[];
}

export interface AggregatedHealth extends HealthSummary {
  /** When this was put together, in milliseconds since the Unix epoch. */
  readonly timestamp: number;
  /** Of the registry: services of other namespaces are in none of this. Null: not known. */
  readonly namespace: string | null;
  /** By service name. */
  readonly services: Readonly<Record<string, ServiceHealth>>;
  /** Those that concern any of these services, the ones that affect most first. */
  readonly faults: readonly Fault[];
}

/**
 * One service. `endpoint`, `lastHeartbeat` and `healthData` are those of one instance: the first healthy one in order of
 * registration, one that its latest check has nothing against if there is one; else the first unchecked one, the first that
 * calls alone have something against, the first unhealthy one, the first.
 */
export interface ServiceHealth {
  readonly status: AggregatedStatus;
  /** The base URL, such as `http://10.0.0.7:8080/api`. */
  readonly endpoint: string;
  /** Milliseconds since the Unix epoch. */
  readonly lastHeartbeat: number;
  /** The JSON that its health endpoint answered last; null: none. */
  readonly healthData: unknown;
  /** Since too many of its instances miss their heartbeats at once, none is taken out; null: expiry is as usual. */
  readonly expiryHeld: ExpiryHold | null;
  /** Names of the services that any of its instances says that it calls. */
  readonly dependencies: readonly string[];
  /**
   * The services at fault that it depends on, directly or through others; of more than 100 faults, 100. Where it is
   * unhealthy itself, that is their consequence, as far as anybody can tell.
   */
  readonly affectedBy: readonly string[];
  /** In order of registration. */
  readonly instances: readonly InstanceHealth[];
}

export interface InstanceHealth {
  readonly instanceId: string;
  /** The operator's word where there is one, else what checks found, else what calls of this process did. */
  readonly status: InstanceStatus;
  /** What each of them says, the strongest first: see {@link StatusReason}. */
  readonly reasons: readonly StatusReason[];
  readonly endpoint: string;
  readonly lastHeartbeat: number;
  /** When the last check was made, in milliseconds since the Unix epoch; null: never. */
  readonly lastChecked: number | null;
  readonly latencyMs: number | null;
  readonly statusCode: number | null;
  /** Why it is not healthy, or what was odd about its answer. */
  readonly reason: string | null;
  /** Whether its checks change so often that it has to prove itself for longer. */
  readonly flapping: boolean;
  readonly healthData: unknown;
}
