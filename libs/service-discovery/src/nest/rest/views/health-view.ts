import { withoutUndefined } from '../../../common/index.js';
import {
  type AggregatedHealth,
  type AggregatedStatus,
  type Fault,
  type HealthCounts,
  type InstanceHealth,
  type RegistryHealth,
  type ServiceHealth,
  type StatusReason,
  type StatusTransition,
} from '../../../health/index.js';
import { type ExpiryHold, type InstanceKey, type InstanceStatus } from '../../../model/index.js';
import { maskSecrets } from '../masking.js';
import { type Page, pageOf } from '../paging.js';

/** All services in a few figures. What the statuses mean is described at {@link AggregatedStatus}. */
export interface HealthCountsView {
  readonly overall_status: AggregatedStatus;
  readonly total_services: number;
  /** The four counts add up to `total_services`. */
  readonly healthy_services: number;
  readonly degraded_services: number;
  readonly unhealthy_services: number;
  readonly unknown_services: number;
}

/** The answer of `GET /health/aggregated`. */
export interface AggregatedHealthView extends HealthCountsView {
  /** ISO 8601. */
  readonly timestamp: string;
  /** Of the registry; null where that is another process's matter. */
  readonly namespace: string | null;
  readonly services: Readonly<Record<string, ServiceHealthView>>;
  /** The `after` of the page that shows more services; left out: there are none. */
  readonly next?: string;
  /** Required services that are not registered. */
  readonly missing_services: readonly string[];
  /** Root causes and the services that they affect, widest impact first. */
  readonly faults: readonly FaultView[];
  readonly registry: RegistryHealthView;
}

/** Whether the registry can be reached, and the age of its last known state in whole seconds. */
export interface RegistryHealthView {
  readonly connected: boolean;
  readonly age_seconds: number;
  /** Why it refuses writes; absent: it accepts them. */
  readonly write_refusal?: string;
}

/** What the fields mean stands at {@link Fault}. */
export interface FaultView {
  readonly services: readonly string[];
  readonly kind: Fault['kind'];
  readonly cascades: readonly string[];
  readonly at_risk: readonly string[];
}

/** The health of one service and its instances. */
export interface ServiceHealthView {
  readonly status: AggregatedStatus;
  /** The base URL of the instance that represents the service: a healthy one if possible. */
  readonly endpoint: string;
  /** ISO 8601. */
  readonly last_heartbeat: string;
  /** The last response of its health endpoint; null: none. */
  readonly health_data: unknown;
  /** Null: expiry is as usual. */
  readonly expiry_held: ExpiryHoldView | null;
  /** The services that it says that it calls. */
  readonly dependencies: readonly string[];
  /** The services at fault that it depends on, directly or through others. */
  readonly affected_by: readonly string[];
  readonly instances: readonly InstanceHealthView[];
}

/** Set while too many instances of a service miss their heartbeats at once, so that none is removed. */
export interface ExpiryHoldView {
  /** ISO 8601, by the registry's clock. */
  readonly since: string;
  /** How many miss their heartbeats. */
  readonly overdue: number;
  /** Of how many. */
  readonly total: number;
}

/** What one source reports; for the fields see {@link StatusReason}. */
export interface StatusReasonView {
  readonly source: StatusReason['source'];
  readonly status: InstanceStatus | null;
  readonly reason: string | null;
  /** ISO 8601. */
  readonly since: string | null;
  /** Who set the operator status, if given. */
  readonly by?: string;
}

/** The answer of `GET /services/:name/instances/:id/history`. */
export interface HistoryView {
  readonly service_name: string;
  readonly instance_id: string;
  /** The oldest first. */
  readonly transitions: readonly StatusTransitionView[];
}

/** What the fields mean stands at {@link StatusTransition}. */
export interface StatusTransitionView {
  readonly from: InstanceStatus | null;
  readonly to: InstanceStatus | null;
  readonly source: StatusTransition['source'];
  readonly reason: string | null;
  /** ISO 8601. */
  readonly at: string;
}

/** The health of one instance. */
export interface InstanceHealthView {
  readonly instance_id: string;
  readonly status: InstanceStatus;
  /** Highest precedence first: the first status is the effective one. */
  readonly reasons: readonly StatusReasonView[];
  readonly endpoint: string;
  /** ISO 8601. */
  readonly last_heartbeat: string;
  /** ISO 8601; null: never. */
  readonly last_checked: string | null;
  readonly latency_ms: number | null;
  readonly status_code: number | null;
  readonly reason: string | null;
  /** Whether its results change so often that it must pass checks for longer. */
  readonly flapping: boolean;
  readonly health_data: unknown;
}

export function toAggregatedHealthView(health: AggregatedHealth, page: Page): AggregatedHealthView {
  const services = Object.entries(health.services);
  const { items, next } = pageOf(
    services,
    page,
    ([name]) => name,
    ([, { instances }]) => instances.length,
  );
  return {
    ...toHealthCountsView(health),
    timestamp: isoOf(health.timestamp),
    namespace: health.namespace,
    services: Object.fromEntries(items.map(([name, service]) => [name, firstOf(toServiceView(service), page.limit)])),
    ...(next !== undefined && { next }),
    missing_services: health.missingServices,
    faults: health.faults.map(toFaultView),
    registry: toRegistryHealthView(health.registry),
  };
}

export function toHealthCountsView(counts: HealthCounts): HealthCountsView {
  return {
    overall_status: counts.overallStatus,
    total_services: counts.totalServices,
    healthy_services: counts.healthyServices,
    degraded_services: counts.degradedServices,
    unhealthy_services: counts.unhealthyServices,
    unknown_services: counts.unknownServices,
  };
}

function toFaultView({ services, kind, cascades, atRisk }: Fault): FaultView {
  return { services, kind, cascades, at_risk: atRisk };
}

export function toExpiryHoldView({ since, overdue, total }: ExpiryHold): ExpiryHoldView {
  return { since: isoOf(since), overdue, total };
}

export function toRegistryHealthView({ connected, ageSeconds, writeRefusal }: RegistryHealth): RegistryHealthView {
  return withoutUndefined({ connected, age_seconds: ageSeconds, write_refusal: writeRefusal });
}

/** What is said of a service stays the same object as long as it holds, and may be long. */
const views = new WeakMap<ServiceHealth, ServiceHealthView>();

function toServiceView(service: ServiceHealth): ServiceHealthView {
  let view = views.get(service);
  if (!view) views.set(service, (view = makeServiceView(service)));
  return view;
}

function firstOf(service: ServiceHealthView, limit: number): ServiceHealthView {
  const { instances } = service;
  return instances.length > limit ? { ...service, instances: instances.slice(0, limit) } : service;
}

function makeServiceView(service: ServiceHealth): ServiceHealthView {
  return {
    status: service.status,
    endpoint: service.endpoint,
    last_heartbeat: isoOf(service.lastHeartbeat),
    health_data: maskSecrets(service.healthData),
    expiry_held: service.expiryHeld && toExpiryHoldView(service.expiryHeld),
    dependencies: service.dependencies,
    affected_by: service.affectedBy,
    instances: service.instances.map(toInstanceView),
  };
}

function toInstanceView(instance: InstanceHealth): InstanceHealthView {
  return {
    instance_id: instance.instanceId,
    status: instance.status,
    reasons: instance.reasons.map(toReasonView),
    endpoint: instance.endpoint,
    last_heartbeat: isoOf(instance.lastHeartbeat),
    last_checked: instance.lastChecked === null ? null : isoOf(instance.lastChecked),
    latency_ms: instance.latencyMs,
    status_code: instance.statusCode,
    reason: instance.reason,
    flapping: instance.flapping,
    health_data: maskSecrets(instance.healthData),
  };
}

export function toReasonView({ source, status, reason, since, by }: StatusReason): StatusReasonView {
  return { source, status, reason, since: since === null ? null : isoOf(since), by };
}

export function toHistoryView(
  { serviceName, instanceId }: InstanceKey,
  transitions: readonly StatusTransition[],
): HistoryView {
  return {
    service_name: serviceName,
    instance_id: instanceId,
    transitions: transitions.map(({ from, to, source, reason, at }) => ({ from, to, source, reason, at: isoOf(at) })),
  };
}

function isoOf(epoch: number): string {
  return new Date(epoch).toISOString();
}
