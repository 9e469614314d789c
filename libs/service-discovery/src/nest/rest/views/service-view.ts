import { type AggregatedHealth, type AggregatedStatus } from '../../../health/index.js';
import { type ServiceInstance } from '../../../model/index.js';
import { type InstanceBody } from '../../../store/index.js';
import { type Page, pageOf, type Shown } from '../paging.js';
import { type ExpiryHoldView, type StatusReasonView, toExpiryHoldView, toReasonView } from './health-view.js';
import { toInstanceView } from './instance-view.js';

/** One service: an element of the lists, and the answer of `GET /services/:name`. */
export interface ServiceView {
  readonly service_name: string;
  /** Where the instance that speaks for the service is: one that can be called, where there is one. */
  readonly base_url: string;
  /** Of the service as a whole, whichever of its instances are listed. */
  readonly status: AggregatedStatus;
  /** Those that the list is about, by id, up to its limit. */
  readonly instances: readonly ListedInstanceView[];
  /** How many the service has in all. */
  readonly total_instances: number;
  readonly healthy_instances: number;
  /** Null: expiry is as usual. */
  readonly expiry_held: ExpiryHoldView | null;
  /** The `after` of `GET /services/:name` that shows more of its instances; left out: there are none. */
  readonly next?: string;
}

/** An instance in a list. */
export interface ListedInstanceView extends InstanceBody {
  /** When the registration ends unless it is renewed (ISO 8601). Left out: this process does not follow renewals. */
  readonly expires_at?: string;
  /** Who says what of how it is, the strongest first. */
  readonly reasons: readonly StatusReasonView[];
}

/** What is shown of each service in a list. */
export interface ListRules {
  /** Which of its instances. */
  readonly page: Page;
  /** Whether renewals are followed, so that it is known when registrations end. */
  readonly tracksRenewals: boolean;
}

/** The answer of the calls that list services, by name. */
export interface ServiceListView {
  readonly services: readonly ServiceView[];
  /** How many services all pages list together. */
  readonly total: number;
  /** The `after` of the next page; left out: this is the last one. */
  readonly next?: string;
}

/** A service and those of its instances that a list is about. */
export interface ListedService {
  readonly name: string;
  /** All of its instances. */
  readonly instances: readonly ServiceInstance[];
  /** Those that the list is about. */
  readonly listed: readonly ServiceInstance[];
}

/** What a list is about: services without any instance that is wanted are left out, and those that the reader may not read. */
export function findListed(
  services: ReadonlyMap<string, readonly ServiceInstance[]>,
  wanted: ((instance: ServiceInstance) => boolean) | undefined,
  mayRead: (name: string) => boolean,
): ListedService[] {
  return [...services].flatMap(([name, instances]) => {
    if (!mayRead(name)) return [];
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
