import { differenceOf } from '../../common/index.js';
import { haveSameId, type ServiceInstance } from '../../model/index.js';
import { type InstanceDelta } from '../../transport/index.js';

/** What an update did to the instances of a service. */
export interface InstanceChanges extends InstanceDelta {
  /** Those under whose id somebody registered anew. */
  readonly replaced: readonly ServiceInstance[];
  /** Those that health checks found healthy, and had not before. */
  readonly recovered: readonly ServiceInstance[];
  /** Those that began to drain: they are there still, and get no calls any more. */
  readonly retiring: readonly ServiceInstance[];
  /** Those that drain no longer. */
  readonly resumed: readonly ServiceInstance[];
}

interface Collected extends InstanceChanges {
  readonly joined: ServiceInstance[];
  readonly left: ServiceInstance[];
  readonly replaced: ServiceInstance[];
  readonly recovered: ServiceInstance[];
  readonly retiring: ServiceInstance[];
  readonly resumed: ServiceInstance[];
}

/** Looks up only those between which the lists differ: an update of one of thousands looks nobody up. */
export function changesBetween(before: readonly ServiceInstance[], after: readonly ServiceInstance[]): InstanceChanges {
  const changes: Collected = { joined: [], left: [], replaced: [], recovered: [], retiring: [], resumed: [] };
  const { start, endBefore, endAfter } = differenceOf(before, after, haveSameId);
  compareInStep(before.slice(0, start), after, changes);
  compareInStep(before.slice(endBefore), after.slice(endAfter), changes);
  matchById(before.slice(start, endBefore), after.slice(start, endAfter), changes);
  return changes;
}

/** Those that stand at the same place have the same id. */
function compareInStep(
  before: readonly ServiceInstance[],
  after: readonly ServiceInstance[],
  changes: Collected,
): void {
  before.forEach((known, place) => {
    const instance = after[place]!;
    // Nearly all, and no look into them is needed.
    if (known !== instance) compare(known, instance, changes);
  });
}

function matchById(before: readonly ServiceInstance[], after: readonly ServiceInstance[], changes: Collected): void {
  const gone = new Map(before.map((instance) => [instance.instanceId, instance]));
  for (const instance of after) {
    const known = gone.get(instance.instanceId);
    if (!known) changes.joined.push(instance);
    else compare(known, instance, changes);
    gone.delete(instance.instanceId);
  }
  for (const instance of gone.values()) changes.left.push(instance);
}

function compare(before: ServiceInstance, after: ServiceInstance, changes: Collected): void {
  if (before.generation !== after.generation) changes.replaced.push(after);
  else if (before.healthStatus !== 'healthy' && after.healthStatus === 'healthy') changes.recovered.push(after);
  if (before.host !== after.host || before.port !== after.port || before.protocol !== after.protocol) {
    changes.left.push(before);
    changes.joined.push(after);
  } else if (isDraining(before) !== isDraining(after)) {
    (isDraining(after) ? changes.retiring : changes.resumed).push(after);
  }
}

/** What connections have to be opened and closed for; undefined: none. */
export function deltaOf({ joined, left, retiring, resumed }: InstanceChanges): InstanceDelta | undefined {
  const delta = { joined: [...joined, ...resumed], left: [...left, ...retiring] };
  return delta.joined.length === 0 && delta.left.length === 0 ? undefined : delta;
}

export function isDraining({ status }: ServiceInstance): boolean {
  return status === 'draining';
}
