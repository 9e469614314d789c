import { differenceOf } from '../../common/index.js';
import { haveSameId, type ServiceInstance } from '../../model/index.js';
import { type InstanceDelta } from '../../transport/index.js';

/** How an update changed the instances of a service. */
export interface InstanceChanges extends InstanceDelta {
  /** Instances whose id was registered again. */
  readonly replaced: readonly ServiceInstance[];
  /** Instances that health checks found healthy and had not before. */
  readonly recovered: readonly ServiceInstance[];
  /** Instances that started draining: still registered, but they receive no more calls. */
  readonly retiring: readonly ServiceInstance[];
  /** Instances that stopped draining. */
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

/** Compares only the range in which the lists differ: an update of one among thousands needs no lookups. */
export function changesBetween(before: readonly ServiceInstance[], after: readonly ServiceInstance[]): InstanceChanges {
  const changes: Collected = { joined: [], left: [], replaced: [], recovered: [], retiring: [], resumed: [] };
  const { start, endBefore, endAfter } = differenceOf(before, after, haveSameId);
  compareInStep(before.slice(0, start), after, changes);
  compareInStep(before.slice(endBefore), after.slice(endAfter), changes);
  matchById(before.slice(start, endBefore), after.slice(start, endAfter), changes);
  return changes;
}

/** Compares instances at the same position, which have the same id. */
function compareInStep(
  before: readonly ServiceInstance[],
  after: readonly ServiceInstance[],
  changes: Collected,
): void {
  before.forEach((known, place) => {
    const instance = after[place]!;
    // Nearly all are the same object, and need not be read.
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

/** For which instances to open and close connections; undefined: none. */
export function deltaOf({ joined, left, retiring, resumed }: InstanceChanges): InstanceDelta | undefined {
  const delta = { joined: [...joined, ...resumed], left: [...left, ...retiring] };
  return delta.joined.length === 0 && delta.left.length === 0 ? undefined : delta;
}

export function isDraining({ status }: ServiceInstance): boolean {
  return status === 'draining';
}
