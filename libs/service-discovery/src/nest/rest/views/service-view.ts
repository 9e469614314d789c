import { type AggregatedHealth, type AggregatedStatus } from '../../../health/index.js';
import { type ServiceInstance } from '../../../model/index.js';
import { type InstanceBody } from '../../../store/index.js';
import { type ExpiryHoldView, type StatusReasonView, toExpiryHoldView, toReasonView } from './health-view.js';
import { toInstanceView } from './instance-view.js';

/** One service: an element of the lists, and the answer of `GET /services/:name`. */
export interface ServiceView {
  readonly service_name: string;
  /** Where the instance that speaks for the service is: one that can be called, where there is one. */
  readonly base_url: string;
  /** Of the service as a whole, whichever of its instances are listed. */
  readonly status: AggregatedStatus;
  /** All of them, or those that the list is about, in order of registration. */
  readonly instances: readonly ListedInstanceView[];
  /** How many the service has in all. */
  readonly total_instances: number;
  readonly healthy_instances: number;
  /** Null: expiry is as usual. */
  readonly expiry_held: ExpiryHoldView | null;
}

/** An instance in a list. */
export interface ListedInstanceView extends InstanceBody {
  /** When the registration ends unless it is renewed (ISO 8601). Left out: this process does not follow renewals. */
  readonly expires_at?: string;
  /** Who says what of how it is, the strongest first. */
  readonly reasons: readonly StatusReasonView[];
}

/** What a list is to show. */
export interface ListRules {
  /** Leaves out the instances, and with the last of them the service, that a list is not about. @default all are shown */
  readonly wanted?: (instance: ServiceInstance) => boolean;
  /** Whether renewals are followed, so that it is known when registrations end. */
  readonly tracksRenewals: boolean;
}

/** The answer of the calls that list services, in order of registration. */
export interface ServiceListView {
  readonly services: readonly ServiceView[];
  /** How many services are listed. */
  readonly total: number;
}

export function toServiceListView(
  services: ReadonlyMap<string, readonly ServiceInstance[]>,
  health: AggregatedHealth,
  rules: ListRules,
): ServiceListView {
  const views = [...services].flatMap(([name, instances]) => {
    const view = toServiceView(name, instances, health, rules);
    return view.instances.length > 0 ? [view] : [];
  });
  return { services: views, total: views.length };
}

export function toServiceView(
  name: string,
  instances: readonly ServiceInstance[],
  health: AggregatedHealth,
  { wanted = () => true, tracksRenewals }: ListRules,
): ServiceView {
  const service = health.services[name];
  const reasons = new Map(service?.instances.map((instance) => [instance.instanceId, instance.reasons]));
  return {
    service_name: name,
    base_url: service?.endpoint ?? '',
    status: service?.status ?? 'unknown',
    instances: instances.filter(wanted).map((instance) => ({
      ...toInstanceView(instance),
      ...(tracksRenewals && { expires_at: new Date(instance.lastHeartbeat + instance.ttlMs).toISOString() }),
      reasons: (reasons.get(instance.instanceId) ?? []).map(toReasonView),
    })),
    total_instances: instances.length,
    healthy_instances: instances.filter(({ status }) => status === 'healthy').length,
    expiry_held: service?.expiryHeld ? toExpiryHoldView(service.expiryHeld) : null,
  };
}
