import { type ServiceInstance } from '../../model/index.js';
import { type OnLeftOut } from './explanation.js';
import { levelsOf, type PartitionKey, Partitions, type TrafficSplit } from './partitions.js';
import { combine, type Level, loadShares } from './panic.js';
import { UNLISTED } from './version-range.js';

/** Instances that a strategy chooses among, and the share of calls for which it does. */
export interface Pool<Member = ServiceInstance> {
  /** Identifies the pool within its service, now and in later selections. */
  readonly name: string;
  /** Above 0; the shares of all pools add up to 1. */
  readonly share: number;
  readonly members: readonly Member[];
  /** The members and, in list order with them, all that would be members if they could take calls. */
  readonly registered: () => readonly Member[];
}

/** The instances to build pools from. Each list is a part of `registered`, in the same order. */
export interface PoolInput {
  /** All that match and have a weight above 0, in any state. */
  readonly registered: () => readonly ServiceInstance[];
  /** All that are meant to take calls, available or not. */
  readonly inRotation: readonly ServiceInstance[];
  /** Those that are healthy enough. */
  readonly usable: readonly ServiceInstance[];
  /** Those whose health is ignored. */
  readonly inPanic: ReadonlySet<ServiceInstance>;
  /** Those that may take this call: mostly the usable ones. */
  readonly eligible: readonly ServiceInstance[];
}

interface PoolPartition extends Level, PartitionKey {
  total: number;
  available: number;
  isPanic: boolean;
  readonly members: ServiceInstance[];
  readonly registered: ServiceInstance[];
}

/**
 * Splits calls by version, then by priority level, then between the zone and the rest; a client then uses its subset of each
 * pool. Levels and zones take what they can carry by the health of all their instances, but a partition with no eligible
 * instance takes nothing.
 */
export function buildPools(input: PoolInput, split: TrafficSplit, onLeftOut?: OnLeftOut): readonly Pool[] {
  const { groups, priorities, zone, subset } = split;
  let pools: readonly Pool[];
  if (!groups && !priorities && !zone) {
    const { eligible, registered } = input;
    pools = eligible.length === 0 ? [] : [{ name: '', share: 1, members: eligible, registered }];
  } else {
    pools = poolsOf(partition(input, split), split, onLeftOut);
  }
  if (!subset) return pools;
  return pools.map((pool) => {
    const members = subset.of(pool.members);
    if (onLeftOut && members !== pool.members) {
      const reason = `not among the ${subset.size} of client ${subset.clientId}`;
      for (const member of pool.members) if (!members.includes(member)) onLeftOut(member, 'subset', reason);
    }
    // The subset depends on which instances are healthy, so only its present members belong to it.
    return { ...pool, members, registered: () => members };
  });
}

function partition(
  { registered, inRotation, usable, inPanic, eligible }: PoolInput,
  split: TrafficSplit,
): readonly PoolPartition[] {
  const partitions = new Partitions(split, (key): PoolPartition => {
    return { ...key, total: 0, available: 0, isPanic: true, members: [], registered: [] };
  });
  let [rotationAt, usableAt, eligibleAt] = [0, 0, 0];
  for (const instance of registered()) {
    const own = partitions.of(instance);
    own.registered.push(instance);
    if (instance === inRotation[rotationAt]) {
      own.total += instance.weight;
      own.isPanic &&= inPanic.has(instance);
      rotationAt++;
    }
    if (instance === usable[usableAt]) {
      own.available += instance.weight;
      usableAt++;
    }
    if (instance === eligible[eligibleAt]) {
      own.members.push(instance);
      eligibleAt++;
    }
  }
  return partitions.sorted();
}

function poolsOf(partitions: readonly PoolPartition[], split: TrafficSplit, onLeftOut?: OnLeftOut): readonly Pool[] {
  const pools: Pool[] = [];
  const { groups } = split;
  const present = new Set(partitions.filter(({ members }) => members.length > 0).map(({ group }) => group));
  const groupShares = groups ? groups.sharesOf(present) : new Map([[UNLISTED, 1]]);
  for (const group of present) {
    const ofGroup = partitions.filter((one) => one.group === group);
    const groupShare = groupShares.get(group) ?? 0;
    if (groupShare === 0) {
      const reason = 'of a version that is not listed';
      for (const { members } of ofGroup) for (const member of members) onLeftOut?.(member, 'version_weights', reason);
      continue;
    }
    const loads = loadsOf(ofGroup, split);
    const sum = ofGroup.reduce((all, { members }, index) => all + (members.length > 0 ? (loads[index] ?? 0) : 0), 0);
    // If no partition that should take the calls has an eligible instance, the first of the others takes them.
    const first = ofGroup.findIndex(({ members }) => members.length > 0);
    ofGroup.forEach((one, index) => {
      const load = sum > 0 ? (loads[index] ?? 0) / sum : Number(index === first);
      const { members, registered } = one;
      if (members.length === 0) return;
      if (load > 0) pools.push({ name: nameOf(one), share: groupShare * load, members, registered: () => registered });
      else explainLeftOut(one, ofGroup, split, onLeftOut);
    });
  }
  return pools;
}

/** The share of each partition of one group, by what its levels, and within them each side of the zone boundary, can carry. */
function loadsOf(partitions: readonly PoolPartition[], { priorities, zone }: TrafficSplit): number[] {
  const levels = levelsOf(partitions);
  const byLevel = loadShares(levels.map(combine), priorities ? priorities.minimumHealthyShare : 0);
  return levels.flatMap((level, index) =>
    loadShares(level, zone ? zone.minimumHealthyShare : 0).map((load) => load * (byLevel[index] ?? 0)),
  );
}

function nameOf({ group, level, isNear }: PoolPartition): string {
  return `${group}/${level}/${isNear ? 'near' : 'far'}`;
}

function explainLeftOut(
  { level, isNear, members }: PoolPartition,
  group: readonly PoolPartition[],
  { zone }: TrafficSplit,
  onLeftOut?: OnLeftOut,
): void {
  if (!onLeftOut) return;
  const isFar = zone && !isNear && group.some((one) => one.level === level && one.isNear && one.available > 0);
  for (const member of members) {
    if (isFar) onLeftOut(member, 'zone', `zone ${zone.prefer} can take all calls`);
    else onLeftOut(member, 'priority', 'other levels can take all calls');
  }
}
