import { type ServiceInstance } from './instance.js';

/** The instances of one service, in order of registration. Immutable. */
export type InstanceList = readonly ServiceInstance[];

/** Up to this length a linear search is as fast as an index. */
const WORTH_AN_INDEX = 256;

/**
 * Position by id at the time of insertion or last lookup. Shared by successive lists: instances can only move towards
 * the front, when others leave.
 */
type Places = Map<string, number>;

// Held weakly, so that lists stay plain arrays and any array works as a list.
const placesIn = new WeakMap<InstanceList, Places>();
const steadyOf = new WeakMap<InstanceList, InstanceList>();

/** The index of an instance; -1 if absent. */
export function placeOf(list: InstanceList, instanceId: string): number {
  const isIt = (instance: ServiceInstance): boolean => instance.instanceId === instanceId;
  if (list.length < WORTH_AN_INDEX) return list.findIndex(isIt);
  const places = placesOf(list);
  const noted = places.get(instanceId);
  if (noted === undefined) return -1;
  for (let at = Math.min(noted, list.length - 1); at >= 0; at--) {
    if (!isIt(list[at]!)) continue;
    // Remember the new position; otherwise the distance grows with every instance that leaves in a rolling deployment.
    if (at < noted) places.set(instanceId, at);
    return at;
  }
  // It left, or another list with the same predecessor contains it further to the front.
  return list.findIndex(isIt);
}

/** Replaces an instance, or appends a new one. */
export function withInstance(list: InstanceList, instance: ServiceInstance): InstanceList {
  const at = placeOf(list, instance.instanceId);
  if (at >= 0) return succeed(list, list.with(at, instance));
  placesIn.get(list)?.set(instance.instanceId, list.length);
  return succeed(list, [...list, instance]);
}

/** Removes an instance; returns the same list if it is absent. */
export function withoutInstance(list: InstanceList, instanceId: string): InstanceList {
  const at = placeOf(list, instanceId);
  return at < 0 ? list : succeed(list, list.toSpliced(at, 1));
}

/**
 * Applies heartbeats to instances; returns the same list if none of them is present.
 * @param renew returns the renewed instance
 */
export function withHeartbeats(
  list: InstanceList,
  instanceIds: readonly string[],
  renew: (known: ServiceInstance) => ServiceInstance,
): InstanceList {
  let next: ServiceInstance[] | undefined;
  for (const instanceId of instanceIds) {
    const at = placeOf(list, instanceId);
    const known = list[at];
    if (known) (next ??= [...list])[at] = renew(known);
  }
  if (!next) return list;
  steadyOf.set(next, steadyList(list));
  return succeed(list, next);
}

/**
 * The list as of the last change other than a heartbeat. Keeps its identity through heartbeats: a service with
 * thousands of instances receives hundreds of them a second, and callers would search the list for changes each time.
 */
export function steadyList(list: InstanceList): InstanceList {
  return steadyOf.get(list) ?? list;
}

function placesOf(list: InstanceList): Places {
  let places = placesIn.get(list);
  if (!places) {
    places = new Map(list.map(({ instanceId }, at) => [instanceId, at]));
    placesIn.set(list, places);
  }
  return places;
}

function succeed(list: InstanceList, next: InstanceList): InstanceList {
  const places = placesIn.get(list);
  // The index keeps entries of instances that left; rebuild it once they outnumber the rest.
  if (places && places.size <= 2 * next.length) placesIn.set(next, places);
  return next;
}
