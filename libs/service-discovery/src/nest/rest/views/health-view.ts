import {
  type AggregatedHealthView,
  type ExpiryHoldView,
  type FaultView,
  type HealthCountsView,
  type HistoryView,
  type InstanceHealthView,
  type RegistryHealthView,
  type ServiceHealthView,
  type ServiceListView,
  type ServiceView,
  type StatusReasonView,
} from '../../../client/index.js';
import { withoutUndefined } from '../../../common/index.js';
import {
  type AggregatedHealth,
  type Fault,
  type HealthCounts,
  type InstanceHealth,
  type RegistryHealth,
  type ServiceHealth,
  type StatusReason,
  type StatusTransition,
} from '../../../health/index.js';
import { type ExpiryHold, type InstanceKey } from '../../../model/index.js';
import { type InstanceBody } from '../../../store/index.js';
import { maskSecrets } from '../masking.js';
import { type Page, pageOf } from '../paging.js';

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

/**
 * Leaves out the names of services that a caller may not read, which faults would tell of: as root cause, or by what depends
 * on what.
 */
export function readableHealth(health: AggregatedHealth, mayRead: (serviceName: string) => boolean): AggregatedHealth {
  const services = Object.entries(health.services).map(
    ([name, service]) => [name, { ...service, affectedBy: service.affectedBy.filter(mayRead) }] as const,
  );
  const faults = health.faults
    .map((fault) => ({
      ...fault,
      services: fault.services.filter(mayRead),
      cascades: fault.cascades.filter(mayRead),
      atRisk: fault.atRisk.filter(mayRead),
    }))
    .filter((fault) => fault.services.length > 0);
  return {
    ...health,
    services: Object.fromEntries(services),
    faults,
    missingServices: health.missingServices.filter(mayRead),
  };
}

/*
 * Views for readers who may not write: health data is internal JSON, which the checking process reads on behalf of the
 * registrant of the instance.
 */

export function instanceWithoutData<T extends InstanceBody>(instance: T): T {
  return instance.health ? { ...instance, health: { ...instance.health, data: null } } : instance;
}

export function serviceWithoutData(service: ServiceView): ServiceView {
  return { ...service, instances: service.instances.map(instanceWithoutData) };
}

export function listWithoutData(list: ServiceListView): ServiceListView {
  return { ...list, services: list.services.map(serviceWithoutData) };
}

export function healthWithoutData(health: AggregatedHealthView): AggregatedHealthView {
  const services = Object.entries(health.services).map(([name, service]) => {
    const instances = service.instances.map((instance) => ({ ...instance, health_data: null }));
    return [name, { ...service, health_data: null, instances }] as const;
  });
  return { ...health, services: Object.fromEntries(services) };
}
