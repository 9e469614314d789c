import { type ServiceInstance } from '../model/index.js';
import { type OnLeftOut } from './explanation.js';
import { levelsOf, Parts, type Place, type Sharing } from './parts.js';
import { type Level, shareOut, sumUp } from './spill-over.js';
import { UNLISTED } from './version-groups.js';

/** Instances among which a strategy chooses, and the share of the calls for which it does. */
export interface Pool<Member = ServiceInstance> {
  /** Tells the pools of one service apart, and is the same for the same pool at another time. */
  readonly name: string;
  /** More than 0; those of all pools make 1. */
  readonly share: number;
  readonly members: readonly Member[];
  /** The members, and with them in the list's order all who would be if they could take calls. */
  readonly registered: () => readonly Member[];
}

/** Whom there is to share calls out among. */
export interface Standing {
  /** All that weigh anything, in whatever state; the others are some of them, in the same order. */
  readonly registered: () => readonly ServiceInstance[];
  /** All that are meant to take calls, well or not. */
  readonly onDuty: readonly ServiceInstance[];
  /** Those of them that are well enough. */
  readonly fit: readonly ServiceInstance[];
  /** Those of them whose health does not count. */
  readonly inPanic: ReadonlySet<ServiceInstance>;
  /** Those that may take this call, mostly those that are well enough. */
  readonly left: readonly ServiceInstance[];
}

interface Part extends Level, Place {
  total: number;
  able: number;
  isPanic: boolean;
  readonly members: ServiceInstance[];
  readonly registered: ServiceInstance[];
}

/**
 * Shares calls out: first to versions, then to levels of priority, then to the zone and beyond it; of what comes of it
 * a client uses its subset. Levels and zones take what they can bear by the health of all that belongs to them, but a
 * part without an instance that may take the call takes nothing.
 */
export function shareOutPools(standing: Standing, sharing: Sharing, onLeftOut?: OnLeftOut): readonly Pool[] {
  const { groups, priorities, zone, subset } = sharing;
  let pools: readonly Pool[];
  if (!groups && !priorities && !zone) {
    const { left, registered } = standing;
    pools = left.length === 0 ? [] : [{ name: '', share: 1, members: left, registered }];
  } else {
    pools = sharedOut(partsOf(standing, sharing), sharing, onLeftOut);
  }
  if (!subset) return pools;
  return pools.map((pool) => {
    const members = subset.of(pool.members);
    if (onLeftOut && members !== pool.members) {
      const reason = `not among the ${subset.size} of client ${subset.clientId}`;
      for (const member of pool.members) if (!members.includes(member)) onLeftOut(member, 'subset', reason);
    }
    // Who stands in for whom depends on who is well, so nobody but the members belongs to a subset for good.
    return { ...pool, members, registered: () => members };
  });
}

function partsOf({ registered, onDuty, fit, inPanic, left }: Standing, sharing: Sharing): readonly Part[] {
  const parts = new Parts(sharing, (place): Part => ({
    ...place,
    total: 0,
    able: 0,
    isPanic: true,
    members: [],
    registered: [],
  }));
  // The others are parts of those who are registered, in the same order.
  let [dutyAt, fitAt, leftAt] = [0, 0, 0];
  for (const instance of registered()) {
    const part = parts.of(instance);
    part.registered.push(instance);
    if (instance === onDuty[dutyAt]) {
      part.total += instance.weight;
      part.isPanic &&= inPanic.has(instance);
      dutyAt++;
    }
    if (instance === fit[fitAt]) {
      part.able += instance.weight;
      fitAt++;
    }
    if (instance === left[leftAt]) {
      part.members.push(instance);
      leftAt++;
    }
  }
  return parts.sorted();
}

function sharedOut(parts: readonly Part[], sharing: Sharing, onLeftOut?: OnLeftOut): readonly Pool[] {
  const pools: Pool[] = [];
  const { groups } = sharing;
  const present = new Set(parts.filter(({ members }) => members.length > 0).map(({ group }) => group));
  const groupShares = groups ? groups.sharesOf(present) : new Map([[UNLISTED, 1]]);
  for (const group of present) {
    const ofGroup = parts.filter((part) => part.group === group);
    const groupShare = groupShares.get(group) ?? 0;
    if (groupShare === 0) {
      const reason = 'of a version that is not listed';
      for (const { members } of ofGroup) for (const member of members) onLeftOut?.(member, 'version_weights', reason);
      continue;
    }
    const loads = loadsOf(ofGroup, sharing);
    const sum = ofGroup.reduce((all, { members }, index) => all + (members.length > 0 ? (loads[index] ?? 0) : 0), 0);
    // Where nobody is left of those that should take the calls, the first of the others do.
    const first = ofGroup.findIndex(({ members }) => members.length > 0);
    ofGroup.forEach((part, index) => {
      const load = sum > 0 ? (loads[index] ?? 0) / sum : Number(index === first);
      const { members, registered } = part;
      if (members.length === 0) return;
      if (load > 0) pools.push({ name: nameOf(part), share: groupShare * load, members, registered: () => registered });
      else tellLeftOut(part, ofGroup, sharing, onLeftOut);
    });
  }
  return pools;
}

/** The share of each part of one group by what its levels, and in them the zone and the others, can bear. */
function loadsOf(parts: readonly Part[], { priorities, zone }: Sharing): number[] {
  const levels = levelsOf(parts);
  const byLevel = shareOut(levels.map(sumUp), priorities ? priorities.minimumHealthyShare : 0);
  return levels.flatMap((level, index) =>
    shareOut(level, zone ? zone.minimumHealthyShare : 0).map((load) => load * (byLevel[index] ?? 0)),
  );
}

function nameOf({ group, level, isNear }: Part): string {
  return `${group}/${level}/${isNear ? 'near' : 'far'}`;
}

function tellLeftOut(part: Part, parts: readonly Part[], { zone }: Sharing, onLeftOut?: OnLeftOut): void {
  if (!onLeftOut) return;
  const isFar =
    zone && !part.isNear && parts.some(({ level, isNear, able }) => level === part.level && isNear && able > 0);
  for (const member of part.members) {
    if (isFar) onLeftOut(member, 'zone', `zone ${zone.prefer} can take all calls`);
    else onLeftOut(member, 'priority', 'other levels can take all calls');
  }
}
