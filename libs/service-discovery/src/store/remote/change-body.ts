import { type Change, type InstanceKey, type RemovalReason } from '../../model/index.js';
import {
  epochOf,
  isoOf,
  numberOf,
  textOf,
  toInstanceBody,
  toServiceInstance,
  type InstanceBody,
} from './instance-body.js';

interface KeyBody {
  readonly service_name: string;
  readonly instance_id: string;
}

/** A change as JSON: the data of each `change` event of the watch. What the types mean stands at {@link Change}. */
export type ChangeBody =
  | { readonly type: 'reset'; readonly revision: number; readonly instances: readonly InstanceBody[] }
  | { readonly type: 'put'; readonly revision: number; readonly instance: InstanceBody }
  | ({ readonly type: 'remove'; readonly revision: number; readonly reason: RemovalReason } & KeyBody)
  /** `at` is in ISO 8601. */
  | { readonly type: 'renewed'; readonly revision: number; readonly keys: readonly KeyBody[]; readonly at: string };

export function toChangeBody(change: Change): ChangeBody {
  const { revision } = change;
  switch (change.type) {
    case 'reset':
      return { type: 'reset', revision, instances: change.instances.map(toInstanceBody) };
    case 'put':
      return { type: 'put', revision, instance: toInstanceBody(change.instance) };
    case 'remove':
      return { type: 'remove', revision, ...toKeyBody(change.key), reason: change.reason };
    case 'renewed':
      return { type: 'renewed', revision, keys: change.keys.map(toKeyBody), at: isoOf(change.at) };
  }
}

/**
 * The change that a body stands for; undefined for a type that only a newer registry knows.
 * @throws TypeError for what is no such body
 */
export function toChange(body: ChangeBody): Change | undefined {
  const revision = numberOf(body.revision);
  switch (body.type) {
    case 'reset':
      return { type: 'reset', revision, instances: body.instances.map(toServiceInstance) };
    case 'put':
      return { type: 'put', revision, instance: toServiceInstance(body.instance) };
    case 'remove':
      return { type: 'remove', revision, key: toKey(body), reason: body.reason };
    case 'renewed':
      return { type: 'renewed', revision, keys: body.keys.map(toKey), at: epochOf(body.at) };
    default:
      return undefined;
  }
}

function toKeyBody({ serviceName, instanceId }: InstanceKey): KeyBody {
  return { service_name: serviceName, instance_id: instanceId };
}

function toKey(body: KeyBody): InstanceKey {
  return { serviceName: textOf(body.service_name), instanceId: textOf(body.instance_id) };
}
