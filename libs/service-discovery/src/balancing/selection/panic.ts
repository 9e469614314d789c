import { type ServiceInstance } from '../../model/index.js';
import { levelsOf, type PartitionKey, Partitions, type TrafficSplit } from './partitions.js';

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

/** A priority level, or one side of a zone boundary, by the weights of its instances. */
export interface Level {
  /** The weight of all its instances. */
  readonly total: number;
  /** The weight of those that can take calls now. */
  readonly available: number;
  /** Whether calls go to all its instances, available or not. */
  readonly isPanic: boolean;
}

/** Tolerance for the rounding error of summed fractions. */
const ROUNDING = 1e-9;

/**
 * The share of calls that each level takes, the first one first, as Envoy's priority levels do: a level takes everything
 * that reaches it while at least `minimum` of it is available; below that it takes the part that it can carry, and the rest
 * goes to the next level. If all levels together cannot carry the calls, they are split in proportion to what each can;
 * if all are in a panic, in proportion to their sizes. All shares are 0 when none is available and not all are in a panic.
 * @param minimum from 0, at which a level takes everything while any instance is available, to 1
 */
export function loadShares(levels: readonly Level[], minimum: number): number[] {
  if (levels.every(({ isPanic }) => isPanic)) return sharesBySize(levels);
  const capacities = capacitiesOf(levels, minimum);
  const sum = capacities.reduce((all, one) => all + one, 0);
  const scale = sum > 0 && sum < 1 ? 1 / sum : 1;
  let rest = 1;
  return capacities.map((capacity) => {
    const share = Math.min(rest, capacity * scale);
    rest -= share;
    return share;
  });
}

/**
 * Whether the levels together can carry all calls: Envoy's normalized total health is 100%.
 * @param minimum as for {@link loadShares}; 0 says nothing about capacity, so then the levels have to be available whole
 */
function canCarry(levels: readonly Level[], minimum: number): boolean {
  return capacitiesOf(levels, minimum || 1).reduce((sum, one) => sum + one, 0) >= 1 - ROUNDING;
}

/** Several levels, or parts of one, as one. */
export function combine(parts: readonly Level[]): Level {
  return {
    total: parts.reduce((sum, { total }) => sum + total, 0),
    available: parts.reduce((sum, { available }) => sum + available, 0),
    isPanic: parts.every(({ isPanic }) => isPanic),
  };
}

/** The fraction of all calls that each level can carry. A minimum of 0 divides to infinity, which is all of them. */
function capacitiesOf(levels: readonly Level[], minimum: number): number[] {
  return levels.map(({ total, available }) => (available === 0 ? 0 : Math.min(1, available / total / minimum)));
}

function sharesBySize(levels: readonly Level[]): number[] {
  const sum = levels.reduce((all, { total }) => all + total, 0);
  return levels.map(({ total }) => (sum === 0 ? 0 : total / sum));
}
