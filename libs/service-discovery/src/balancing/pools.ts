import { type ServiceInstance } from '../model/index.js';
import { type OnLeftOut } from './explanation.js';
import { type ResolvedLoadBalancingOptions } from './resolve-load-balancing-options.js';
import { type Level, shareOut } from './spill-over.js';
import { type ClientSubset } from './subset.js';
import { UNLISTED, type VersionGroups } from './version-groups.js';

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
  /** Those that may take this call, mostly the same. */
  readonly left: readonly ServiceInstance[];
}

/** What shares calls out among instances that may all take them; false: does not do so. */
export interface Sharing {
  readonly groups: VersionGroups | false;
  readonly priorities: ResolvedLoadBalancingOptions['priorities'];
  /** The zone to stay in, and the share of it that has to be able for that. */
  readonly zone: { readonly prefer: string; readonly minimumHealthyShare: number } | false;
  readonly subset: ClientSubset | false;
}

interface Part extends Level {
  readonly group: number;
  readonly level: number;
  readonly isNear: boolean;
  total: number;
  able: number;
  readonly members: ServiceInstance[];
  readonly registered: ServiceInstance[];
}

/**
 * Shares calls out: first to versions, then to levels of priority, then to the zone and beyond it; of what comes of it
 * a client uses its subset. Levels and zones take what they can bear by the health of all that belongs to them, but a
 * part of which nobody is left takes nothing.
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

function partsOf({ registered, onDuty, fit, left }: Standing, { groups, priorities, zone }: Sharing): readonly Part[] {
  const parts: Part[] = [];
  const partOf = (instance: ServiceInstance): Part => {
    const group = groups ? groups.groupOf(instance) : UNLISTED;
    const level = priorities ? levelOf(instance, priorities) : 0;
    const isNear = zone && instance.zone === zone.prefer;
    const known = parts.find((one) => one.group === group && one.level === level && one.isNear === isNear);
    if (known) return known;
    const part: Part = { group, level, isNear, total: 0, able: 0, members: [], registered: [] };
    parts.push(part);
    return part;
  };
  // The others are parts of those who are registered, in the same order.
  let [dutyAt, fitAt, leftAt] = [0, 0, 0];
  for (const instance of registered()) {
    const part = partOf(instance);
    part.registered.push(instance);
    if (instance === onDuty[dutyAt]) {
      part.total += instance.weight;
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
  return parts.sort((a, b) => a.group - b.group || a.level - b.level || Number(b.isNear) - Number(a.isNear));
}

/** Of priority: the smallest number first. */
export function levelOf(
  instance: ServiceInstance,
  { by, otherwise }: Exclude<ResolvedLoadBalancingOptions['priorities'], false>,
): number {
  const given = typeof by === 'function' ? by(instance) : instance.metadata[by];
  const level = typeof given === 'string' && given.trim() !== '' ? Number(given) : given;
  return typeof level === 'number' && Number.isFinite(level) ? level : otherwise;
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
  const numbers = [...new Set(parts.map(({ level }) => level))];
  const levels = numbers.map((number) => parts.filter(({ level }) => level === number));
  const byLevel = shareOut(levels.map(sumUp), priorities ? priorities.minimumHealthyShare : 0);
  return levels.flatMap((level, index) =>
    shareOut(level, zone ? zone.minimumHealthyShare : 0).map((load) => load * (byLevel[index] ?? 0)),
  );
}

function sumUp(parts: readonly Part[]): Level {
  return {
    total: parts.reduce((sum, { total }) => sum + total, 0),
    able: parts.reduce((sum, { able }) => sum + able, 0),
  };
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
    else onLeftOut(member, 'priority', `levels before ${part.level} can take all calls`);
  }
}
