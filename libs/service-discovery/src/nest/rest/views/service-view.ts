import { type ServiceListView, type ServiceView } from '../../../client/index.js';
import { type AggregatedHealth } from '../../../health/index.js';
import { type ServiceInstance } from '../../../model/index.js';
import { type Page, pageOf, type Shown } from '../paging.js';
import { toExpiryHoldView, toReasonView } from './health-view.js';
import { toInstanceView } from './instance-view.js';

/** Which part of each service a list shows. */
export interface ListRules {
  /** The page of its instances. */
  readonly page: Page;
  /** Whether renewals are followed, so that it is known when registrations end. */
  readonly tracksRenewals: boolean;
}

/** A service and its instances that a list includes. */
export interface ListedService {
  readonly name: string;
  /** All of its instances. */
  readonly instances: readonly ServiceInstance[];
  /** The instances that the list includes. */
  readonly listed: readonly ServiceInstance[];
}

/** Filters the instances of services, and drops services without a matching instance. */
export function findListed(
  services: readonly (readonly [name: string, instances: readonly ServiceInstance[]])[],
  wanted?: (instance: ServiceInstance) => boolean,
): ListedService[] {
  return services.flatMap(([name, instances]) => {
    const listed = wanted ? instances.filter(wanted) : instances;
    return listed.length > 0 ? [{ name, instances, listed }] : [];
  });
}

/** @param health of the services of the page, at least */
export function toServiceListView(
  { items, next }: Shown<ListedService>,
  total: number,
  health: AggregatedHealth,
  rules: ListRules,
): ServiceListView {
  const services = items.map((service) => toServiceView(service, health, rules));
  return { services, total, ...(next !== undefined && { next }) };
}

export function toServiceView(
  { name, instances, listed }: ListedService,
  health: AggregatedHealth,
  { page, tracksRenewals }: ListRules,
): ServiceView {
  const service = health.services[name];
  const all = service?.instances ?? [];
  const reasons = new Map(all.map((instance) => [instance.instanceId, instance.reasons]));
  const { items, next } = pageOf(listed, page, ({ instanceId }) => instanceId);
  return {
    service_name: name,
    base_url: service?.endpoint ?? '',
    status: service?.status ?? 'unknown',
    instances: items.map((instance) => ({
      ...toInstanceView(instance),
      ...(tracksRenewals && { expires_at: new Date(instance.lastHeartbeat + instance.ttlMs).toISOString() }),
      reasons: (reasons.get(instance.instanceId) ?? []).map(toReasonView),
    })),
    total_instances: instances.length,
    healthy_instances: instances.filter(({ status }) => status === 'healthy').length,
    expiry_held: service?.expiryHeld ? toExpiryHoldView(service.expiryHeld) : null,
    ...(next !== undefined && { next }),
  };
}
