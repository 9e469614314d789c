import { type ServiceInstance } from '../../model/index.js';
import { levelsOf, type PartitionKey, Partitions, type TrafficSplit } from './partitions.js';
import { canCarry, combine, type Level } from './spill-over.js';

const NONE: ReadonlySet<ServiceInstance> = new Set();

interface PanicPartition extends Level, PartitionKey {
  available: number;
  total: number;
  readonly isPanic: false;
  readonly members: ServiceInstance[];
}

/**
 * The instances whose health is ignored because too many of their partition are unavailable, like Envoy's panic threshold.
 * It is decided per level, and within a level per side of the zone boundary, and only if the levels of a version together
 * cannot carry its calls: a level that is down is no panic while the next one can replace it. A version with no available
 * instance leaves its calls to the versions that have one.
 * @param inRotation all instances meant to take calls, available or not
 * @param threshold panic when the available share, by weight, is below this; 0: never
 */
export function findInPanic(
  inRotation: readonly ServiceInstance[],
  isAvailable: (instance: ServiceInstance) => boolean,
  split: TrafficSplit,
  threshold: number,
): ReadonlySet<ServiceInstance> {
  if (threshold === 0) return NONE;
  const partitions = partition(inRotation, isAvailable, split);
  const groups = [...new Set(partitions.map(({ group }) => group))].map((group) =>
    partitions.filter((one) => one.group === group),
  );
  const living = groups.filter((group) => group.some(({ available }) => available > 0));
  const inPanic = (living.length > 0 ? living : groups).flatMap((group) => inPanicOf(group, split, threshold));
  return new Set(inPanic.flatMap(({ members }) => members));
}

function partition(
  inRotation: readonly ServiceInstance[],
  isAvailable: (instance: ServiceInstance) => boolean,
  split: TrafficSplit,
): readonly PanicPartition[] {
  const partitions = new Partitions(split, (key): PanicPartition => {
    return { ...key, available: 0, total: 0, isPanic: false, members: [] };
  });
  for (const instance of inRotation) {
    const own = partitions.of(instance);
    own.total += instance.weight;
    if (isAvailable(instance)) own.available += instance.weight;
    own.members.push(instance);
  }
  return partitions.sorted();
}

function inPanicOf(
  group: readonly PanicPartition[],
  { priorities, zone }: TrafficSplit,
  threshold: number,
): readonly PanicPartition[] {
  const levels = levelsOf(group);
  if (canCarry(levels.map(combine), priorities ? priorities.minimumHealthyShare : 0)) return [];
  return levels
    .filter((sides) => !canCarry(sides, zone ? zone.minimumHealthyShare : 0))
    .flatMap((sides) => sides.filter(({ available, total }) => available / total < threshold));
}
