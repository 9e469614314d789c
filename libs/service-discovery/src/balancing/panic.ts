import { type ServiceInstance } from '../model/index.js';
import { levelsOf, Parts, type Place, type Sharing } from './parts.js';
import { canBear, type Level, sumUp } from './spill-over.js';

const NONE: ReadonlySet<ServiceInstance> = new Set();

interface Part extends Level, Place {
  able: number;
  total: number;
  readonly isPanic: false;
  readonly members: ServiceInstance[];
}

/**
 * The instances whose health does not count because too many of their kind are ill, as with Envoy's panic threshold. It
 * is decided for each level, and in it for the zone and the others, and only where the levels of a version cannot bear
 * its calls together: a level that is down is no panic as long as the next one can take its place. A version without any
 * instance that is well leaves its calls to the others that have one.
 * @param onDuty all that are meant to take calls, well or not
 * @param threshold when a smaller share than this is well, by weight, it is a panic; 0: never
 */
export function findPanicked(
  onDuty: readonly ServiceInstance[],
  isWell: (instance: ServiceInstance) => boolean,
  sharing: Sharing,
  threshold: number,
): ReadonlySet<ServiceInstance> {
  if (threshold === 0) return NONE;
  const parts = surveyParts(onDuty, isWell, sharing);
  const groups = [...new Set(parts.map(({ group }) => group))].map((group) =>
    parts.filter((part) => part.group === group),
  );
  const living = groups.filter((group) => group.some(({ able }) => able > 0));
  const panicked = (living.length > 0 ? living : groups).flatMap((group) => panickedOf(group, sharing, threshold));
  return new Set(panicked.flatMap(({ members }) => members));
}

function surveyParts(
  onDuty: readonly ServiceInstance[],
  isWell: (instance: ServiceInstance) => boolean,
  sharing: Sharing,
): readonly Part[] {
  const parts = new Parts(sharing, (place): Part => ({ ...place, able: 0, total: 0, isPanic: false, members: [] }));
  for (const instance of onDuty) {
    const part = parts.of(instance);
    part.total += instance.weight;
    if (isWell(instance)) part.able += instance.weight;
    part.members.push(instance);
  }
  return parts.sorted();
}

function panickedOf(group: readonly Part[], { priorities, zone }: Sharing, threshold: number): readonly Part[] {
  const levels = levelsOf(group);
  if (canBear(levels.map(sumUp), priorities ? priorities.minimumHealthyShare : 0)) return [];
  return levels
    .filter((sides) => !canBear(sides, zone ? zone.minimumHealthyShare : 0))
    .flatMap((sides) => sides.filter(({ able, total }) => able / total < threshold));
}
