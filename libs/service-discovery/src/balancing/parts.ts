import { type ServiceInstance } from '../model/index.js';
import { type ResolvedLoadBalancingOptions } from './resolve-load-balancing-options.js';
import { type ClientSubset } from './subset.js';
import { UNLISTED, type VersionGroups } from './version-groups.js';

/** What shares calls out among instances that may all take them; false: does not do so. */
export interface Sharing {
  readonly groups: VersionGroups | false;
  readonly priorities: ResolvedLoadBalancingOptions['priorities'];
  /** The zone to stay in, and the share of it that has to be able for that. */
  readonly zone: { readonly prefer: string; readonly minimumHealthyShare: number } | false;
  readonly subset: ClientSubset | false;
}

/** Instances of one version group and level, in the preferred zone or outside of it. */
export interface Place {
  readonly group: number;
  readonly level: number;
  readonly isNear: boolean;
}

/** Sorts instances into the parts where they belong, which are made as they are needed. */
export class Parts<Part extends Place> {
  private readonly parts: Part[] = [];

  constructor(
    private readonly sharing: Sharing,
    private readonly make: (place: Place) => Part,
  ) {}

  of(instance: ServiceInstance): Part {
    const { groups, priorities, zone } = this.sharing;
    const group = groups ? groups.groupOf(instance) : UNLISTED;
    const level = priorities ? levelOf(instance, priorities) : 0;
    const isNear = zone !== false && instance.zone === zone.prefer;
    let part = this.parts.find((one) => one.group === group && one.level === level && one.isNear === isNear);
    if (!part) this.parts.push((part = this.make({ group, level, isNear })));
    return part;
  }

  /** By group, then by level, the near ones first. */
  sorted(): readonly Part[] {
    return this.parts.sort((a, b) => a.group - b.group || a.level - b.level || Number(b.isNear) - Number(a.isNear));
  }
}

/** Parts of one group by their levels, the first level first. */
export function levelsOf<Part extends Place>(parts: readonly Part[]): readonly (readonly Part[])[] {
  const numbers = [...new Set(parts.map(({ level }) => level))];
  return numbers.map((number) => parts.filter(({ level }) => level === number));
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
