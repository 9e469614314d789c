import { type Change, type ExpiryHold } from './change.js';
import { changeInstance, keyOf, type InstanceKey, type ServiceInstance } from './instance.js';
import { placeOf, withHeartbeats, withInstance, withoutInstance } from './instance-list.js';
import { ServiceMap } from './service-map.js';
import { type ServiceSplit } from './split.js';

/** A reader's view of the registry at one moment. Immutable; every change creates a new one. */
export interface RegistrySnapshot {
  /** The store's revision that it reflects; 0 before the first reset. */
  readonly revision: number;
  /** Whether the first reset has arrived. */
  readonly ready: boolean;
  /** False while the store cannot be reached; the snapshot is then the last known state. */
  readonly connected: boolean;
  /** Why the store refuses writes, including heartbeats, although it can be read. Undefined: it accepts them. */
  readonly writeRefusal?: string;
  /** Monotonic milliseconds (`Clock.now()`) when it was last known to be current. */
  readonly asOf: number;
  /** Names of the services that it contains; undefined: all. */
  readonly scope?: ReadonlySet<string>;
  /** Instances by service name, in order of registration. A service's list keeps its identity until it changes. */
  readonly services: ReadonlyMap<string, readonly ServiceInstance[]>;
  /** Services whose expiry is held, by name. */
  readonly expiryHolds: ReadonlyMap<string, ExpiryHold>;
  /** How the calls to services are split, by name. */
  readonly splits: ReadonlyMap<string, ServiceSplit>;
}

export const EMPTY_SNAPSHOT: RegistrySnapshot = {
  revision: 0,
  ready: false,
  connected: false,
  asOf: 0,
  services: ServiceMap.EMPTY,
  expiryHolds: new Map(),
  splits: new Map(),
};

/** Looks an instance up by its key. */
export function findInstance(
  { services }: RegistrySnapshot,
  { serviceName, instanceId }: InstanceKey,
): ServiceInstance | undefined {
  const list = services.get(serviceName);
  return list?.[placeOf(list, instanceId)];
}

/** The snapshot after a change; lists of unaffected services keep their identity. */
export function applyChange(snapshot: RegistrySnapshot, change: Change, now: number): RegistrySnapshot {
  const services = ServiceMap.of(snapshot.services);
  const { expiryHolds, splits, scope, writeRefusal } = snapshot;
  const { revision } = change;
  const base = { revision, ready: true, connected: true, asOf: now, writeRefusal, expiryHolds, splits, scope };
  switch (change.type) {
    case 'reset':
      return {
        ...base,
        services: regroup(services, change.instances),
        expiryHolds: change.holds ?? EMPTY_SNAPSHOT.expiryHolds,
        splits: change.splits ?? EMPTY_SNAPSHOT.splits,
      };
    case 'put': {
      const { serviceName } = change.instance;
      return {
        ...base,
        services: services.with(serviceName, withInstance(services.get(serviceName) ?? [], change.instance)),
      };
    }
    case 'remove': {
      const { serviceName, instanceId } = change.key;
      const list = services.get(serviceName) ?? [];
      const rest = withoutInstance(list, instanceId);
      return { ...base, services: rest === list ? services : services.with(serviceName, rest) };
    }
    case 'renewed':
      return { ...base, services: withRenewals(services, change) };
    case 'hold':
      return { ...base, services, expiryHolds: withHold(expiryHolds, change) };
    case 'split':
      return { ...base, services, splits: new Map([...splits, [change.serviceName, change.split]]) };
  }
}

function withHold(
  holds: ReadonlyMap<string, ExpiryHold>,
  { serviceName, hold }: Extract<Change, { type: 'hold' }>,
): ReadonlyMap<string, ExpiryHold> {
  const next = new Map(holds);
  if (hold) next.set(serviceName, hold);
  else next.delete(serviceName);
  return next;
}

function withRenewals(services: ServiceMap, { keys, at, instances }: Extract<Change, { type: 'renewed' }>): ServiceMap {
  const shared = new Map(instances?.map((instance) => [keyOf(instance), instance]));
  const renewed = new Map<string, string[]>();
  for (const { serviceName, instanceId } of keys) {
    const ids = renewed.get(serviceName);
    if (ids) ids.push(instanceId);
    else renewed.set(serviceName, [instanceId]);
  }
  let next = services;
  for (const [name, ids] of renewed) {
    const list = services.get(name) ?? [];
    const lively = withHeartbeats(
      list,
      ids,
      (known) => shared.get(keyOf(known)) ?? changeInstance(known, { lastHeartbeat: at }),
    );
    if (lively !== list) next = next.with(name, lively);
  }
  return next;
}

function regroup(previous: ServiceMap, instances: readonly ServiceInstance[]): ServiceMap {
  const grouped = new Map<string, ServiceInstance[]>();
  for (const instance of instances) {
    const list = grouped.get(instance.serviceName);
    if (list) list.push(instance);
    else grouped.set(instance.serviceName, [instance]);
  }
  const next = new Map<string, readonly ServiceInstance[]>();
  for (const [name, list] of grouped) {
    const known = previous.get(name);
    const same = known?.length === list.length && known.every((instance, index) => instance === list[index]);
    next.set(name, same ? known : list);
  }
  return ServiceMap.of(next);
}
