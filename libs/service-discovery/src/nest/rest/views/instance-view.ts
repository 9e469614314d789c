import { type ServiceInstance } from '../../../model/index.js';
import { type InstanceBody, toInstanceBody } from '../../../store/index.js';
import { maskHeaders, maskSecrets } from '../masking.js';

/**
 * An instance as everybody may see it: what sounds like a secret in its metadata and health data is masked, and every
 * header that its checks carry.
 */
export function toInstanceView(instance: ServiceInstance): InstanceBody {
  const body = toInstanceBody(instance);
  return {
    ...body,
    health_check: body.health_check && maskHeaders(body.health_check),
    metadata: maskSecrets(body.metadata) as InstanceBody['metadata'],
    health: body.health && { ...body.health, data: maskSecrets(body.health.data) },
  };
}
