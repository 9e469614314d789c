import { type EventView } from '../../../client/index.js';
import { snakeCase } from '../../../common/index.js';
import {
  type HealthDetail,
  type InstanceKey,
  type ServiceDiscoveryEvent,
  type ServiceInstance,
} from '../../../model/index.js';
import { toHealthBody } from '../../../store/index.js';
import { maskSecrets } from '../masking.js';
import { toInstanceView } from './instance-view.js';

export function toEventView({ type, at, ...payload }: ServiceDiscoveryEvent): EventView {
  const fields = Object.entries(payload).map(([name, value]: [string, unknown]) => toFields(name, value));
  return { type, at: new Date(at).toISOString(), ...(Object.assign({}, ...fields) as Record<string, unknown>) };
}

function toFields(name: string, value: unknown): Record<string, unknown> {
  switch (name) {
    case 'key': {
      const { serviceName, instanceId } = value as InstanceKey;
      return { service_name: serviceName, instance_id: instanceId };
    }
    case 'instance': {
      const instance = toInstanceView(value as ServiceInstance);
      return { service_name: instance.service_name, instance_id: instance.instance_id, instance };
    }
    case 'detail': {
      const detail = toHealthBody(value as HealthDetail);
      return { detail: { ...detail, data: maskSecrets(detail.data) } };
    }
    case 'since':
      return { since: new Date(value as number).toISOString() };
    case 'service':
      return { service_name: value };
    default:
      return { [snakeCase(name)]: value };
  }
}
