import { messageOf } from '../../common/index.js';
import {
  type Change,
  type ExpiryHold,
  type InstanceKey,
  isServiceSplit,
  type RemovalReason,
  type ServiceInstance,
  type ServiceSplit,
} from '../../model/index.js';
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

/** `since` is in ISO 8601. */
interface HoldBody {
  readonly since: string;
  readonly overdue: number;
  readonly total: number;
}

/** A change as JSON: the data of each `change` event of the watch. For the types see {@link Change}. */
export type ChangeBody =
  | {
      readonly type: 'reset';
      readonly revision: number;
      readonly instances: readonly InstanceBody[];
      /** By service name; undefined if there are none. */
      readonly holds?: Readonly<Record<string, HoldBody>>;
      /** By service name; undefined if there are none. */
      readonly splits?: Readonly<Record<string, ServiceSplit>>;
    }
  | { readonly type: 'put'; readonly revision: number; readonly instance: InstanceBody }
  | ({ readonly type: 'remove'; readonly revision: number; readonly reason: RemovalReason } & KeyBody)
  /** `at` is in ISO 8601. */
  | { readonly type: 'renewed'; readonly revision: number; readonly keys: readonly KeyBody[]; readonly at: string }
  /** Null: expiry is resumed. */
  | { readonly type: 'hold'; readonly revision: number; readonly service_name: string; readonly hold: HoldBody | null }
  | { readonly type: 'split'; readonly revision: number; readonly service_name: string; readonly split: ServiceSplit };

export function toChangeBody(change: Change): ChangeBody {
  const { revision } = change;
  switch (change.type) {
    case 'reset':
      return {
        type: 'reset',
        revision,
        instances: change.instances.map(toInstanceBody),
        ...(change.holds && {
          holds: Object.fromEntries([...change.holds].map(([name, hold]) => [name, toHoldBody(hold)])),
        }),
        ...(change.splits && { splits: Object.fromEntries(change.splits) }),
      };
    case 'put':
      return { type: 'put', revision, instance: toInstanceBody(change.instance) };
    case 'remove':
      return { type: 'remove', revision, ...toKeyBody(change.key), reason: change.reason };
    case 'renewed':
      return { type: 'renewed', revision, keys: change.keys.map(toKeyBody), at: isoOf(change.at) };
    case 'hold':
      return {
        type: 'hold',
        revision,
        service_name: change.serviceName,
        hold: change.hold && toHoldBody(change.hold),
      };
    case 'split':
      return { type: 'split', revision, service_name: change.serviceName, split: change.split };
  }
}

/**
 * Parses a change. Returns undefined for a type that only newer registries know.
 * @param onBadRecord told of each instance that is skipped
 * @throws TypeError for a change that is invalid otherwise
 */
export function toChange(body: ChangeBody, onBadRecord: OnBadRecord = () => undefined): Change | undefined {
  const revision = numberOf(body.revision);
  switch (body.type) {
    case 'reset':
      return {
        type: 'reset',
        revision,
        instances: body.instances.flatMap((one) => readInstance(one, onBadRecord) ?? []),
        ...(body.holds && {
          holds: new Map(Object.entries(body.holds).map(([name, hold]) => [name, toHold(hold)])),
        }),
        ...(body.splits && {
          splits: new Map(Object.entries(body.splits).filter(([, split]) => isServiceSplit(split))),
        }),
      };
    case 'put':
      return putOf(revision, readInstance(body.instance, onBadRecord));
    case 'remove':
      return { type: 'remove', revision, key: toKey(body), reason: body.reason };
    case 'renewed':
      return { type: 'renewed', revision, keys: body.keys.map(toKey), at: epochOf(body.at) };
    case 'hold':
      return { type: 'hold', revision, serviceName: textOf(body.service_name), hold: body.hold && toHold(body.hold) };
    case 'split':
      if (!isServiceSplit(body.split)) return undefined;
      return { type: 'split', revision, serviceName: textOf(body.service_name), split: body.split };
    default:
      return undefined;
  }
}

/** Called for an instance that is not valid, and is skipped. */
export type OnBadRecord = (service: string | undefined, instanceId: string | undefined, reason: string) => void;

function readInstance(body: InstanceBody, onBadRecord: OnBadRecord): ServiceInstance | undefined {
  try {
    return toServiceInstance(body);
  } catch (error) {
    const { service_name: service, instance_id: id } = (body ?? {}) as Partial<Record<keyof InstanceBody, unknown>>;
    const asText = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
    onBadRecord(asText(service), asText(id), messageOf(error));
    return undefined;
  }
}

function putOf(revision: number, instance: ServiceInstance | undefined): Change | undefined {
  return instance && { type: 'put', revision, instance };
}

function toHoldBody({ since, overdue, total }: ExpiryHold): HoldBody {
  return { since: isoOf(since), overdue, total };
}

function toHold({ since, overdue, total }: HoldBody): ExpiryHold {
  return { since: epochOf(since), overdue: numberOf(overdue), total: numberOf(total) };
}

function toKeyBody({ serviceName, instanceId }: InstanceKey): KeyBody {
  return { service_name: serviceName, instance_id: instanceId };
}

function toKey(body: KeyBody): InstanceKey {
  return { serviceName: textOf(body.service_name), instanceId: textOf(body.instance_id) };
}
