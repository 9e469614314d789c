import { type ServiceInstance } from '../../../model/index.js';
import { type InstanceBody, toInstanceBody } from '../../../store/index.js';
import { maskSecrets } from '../masking.js';

/** An instance as everybody may see it: what sounds like a secret in its metadata and health data is masked. */
export function toInstanceView(instance: ServiceInstance): InstanceBody {
  const body = toInstanceBody(instance);
  return {
    ...body,
    metadata: maskSecrets(body.metadata) as InstanceBody['metadata'],
    health: body.health && { ...body.health, data: maskSecrets(body.health.data) },
  };
}
