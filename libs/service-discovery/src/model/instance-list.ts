import { type ServiceInstance } from './instance.js';

/** The instances of one service, in order of registration. Never changed: a change makes a successor. */
export type InstanceList = readonly ServiceInstance[];

/** Shorter lists are searched as fast as an index is asked. */
const WORTH_AN_INDEX = 256;

/**
 * By id, where an instance stood when it came, or was last found. Successors share it: who stays where it is need not be entered again, and
 * who moves does so towards the front, as others leave.
 */
type Places = Map<string, number>;

// Held weakly, so that a list is a plain array, and whoever makes one without all this makes a good one.
const placesIn = new WeakMap<InstanceList, Places>();
const steadyOf = new WeakMap<InstanceList, InstanceList>();

/** Where an instance stands; -1: it does not. */
export function placeOf(list: InstanceList, instanceId: string): number {
  const isIt = (instance: ServiceInstance): boolean => instance.instanceId === instanceId;
  if (list.length < WORTH_AN_INDEX) return list.findIndex(isIt);
  const places = placesOf(list);
  const noted = places.get(instanceId);
  if (noted === undefined) return -1;
  for (let at = Math.min(noted, list.length - 1); at >= 0; at--) {
    if (!isIt(list[at]!)) continue;
    // So that nobody walks this way again: in a rolling deployment it grows with everyone who leaves.
    if (at < noted) places.set(instanceId, at);
    return at;
  }
  // It has left, or another successor of the same list has taken it in, too, and further to the front.
  return list.findIndex(isIt);
}

/** With an instance in its place, or at the end where it is new. */
export function withInstance(list: InstanceList, instance: ServiceInstance): InstanceList {
  const at = placeOf(list, instance.instanceId);
  if (at >= 0) return succeed(list, list.with(at, instance));
  placesIn.get(list)?.set(instance.instanceId, list.length);
  return succeed(list, [...list, instance]);
}

/** Without an instance; the same list where it is not there. */
export function withoutInstance(list: InstanceList, instanceId: string): InstanceList {
  const at = placeOf(list, instanceId);
  return at < 0 ? list : succeed(list, list.toSpliced(at, 1));
}

/**
 * With instances that had a heartbeat, and are otherwise as they were; the same list where none of them is there.
 * @param renew what an instance is from now on
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
 * The list before all heartbeats that came since anything else happened. It keeps its identity while nothing happens that
 * calls go by: a service of thousands has hundreds of heartbeats a second, and each would make all who call it look
 * through the list for what is new.
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
  // Those who have left stay in it; from time to time it is made anew.
  if (places && places.size <= 2 * next.length) placesIn.set(next, places);
  return next;
}
