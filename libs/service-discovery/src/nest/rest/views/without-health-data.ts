import { type AggregatedHealthView, type ServiceListView, type ServiceView } from '../../../client/index.js';
import { type InstanceBody } from '../../../store/index.js';

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
