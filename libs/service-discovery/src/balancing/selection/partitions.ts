import { type ServiceInstance } from '../../model/index.js';
import { type ResolvedLoadBalancingOptions } from '../load-balancing-options.js';
import { unitHash } from '../strategies/stable-hash.js';
import { UNLISTED, type VersionGroups } from './version-range.js';

/** How calls are split among instances that may all take them; false: not by this. */
export interface TrafficSplit {
  readonly groups: VersionGroups | false;
  readonly priorities: ResolvedLoadBalancingOptions['priorities'];
  /** The zone to stay in, and the share of it that has to be available for that. */
  readonly zone: { readonly prefer: string; readonly minimumHealthyShare: number } | false;
  readonly subset: ClientSubset | false;
}

/** Identifies the instances of one version group and priority level, inside or outside the preferred zone. */
export interface PartitionKey {
  readonly group: number;
  readonly level: number;
  readonly isNear: boolean;
}

/** Sorts instances into partitions, which are created when first needed. */
export class Partitions<Partition extends PartitionKey> {
  private readonly partitions: Partition[] = [];

  constructor(
    private readonly split: TrafficSplit,
    private readonly create: (key: PartitionKey) => Partition,
  ) {}

  of(instance: ServiceInstance): Partition {
    const { groups, priorities, zone } = this.split;
    const group = groups ? groups.groupOf(instance) : UNLISTED;
    const level = priorities ? levelOf(instance, priorities) : 0;
    const isNear = zone !== false && instance.zone === zone.prefer;
    let found = this.partitions.find((one) => one.group === group && one.level === level && one.isNear === isNear);
    if (!found) this.partitions.push((found = this.create({ group, level, isNear })));
    return found;
  }

  /** By group, then by level, with those in the preferred zone first. */
  sorted(): readonly Partition[] {
    return this.partitions.sort(
      (a, b) => a.group - b.group || a.level - b.level || Number(b.isNear) - Number(a.isNear),
    );
  }
}

/** The sorted partitions of one group, by priority level. */
export function levelsOf<Partition extends PartitionKey>(
  partitions: readonly Partition[],
): readonly (readonly Partition[])[] {
  const numbers = [...new Set(partitions.map(({ level }) => level))];
  return numbers.map((number) => partitions.filter(({ level }) => level === number));
}

/** The priority level of an instance: the smallest number comes first. */
export function levelOf(
  instance: ServiceInstance,
  { by, otherwise }: Exclude<ResolvedLoadBalancingOptions['priorities'], false>,
): number {
  const given = typeof by === 'function' ? by(instance) : instance.metadata[by];
  const level = typeof given === 'string' && given.trim() !== '' ? Number(given) : given;
  return typeof level === 'number' && Number.isFinite(level) ? level : otherwise;
}

/** Ranks kept per listed instance before all are dropped, with them those of instances that have left. */
const MAX_RANKS_PER_INSTANCE = 4;

/**
 * The instances of a large service that one client uses: those with the highest hash of the client's id and their own
 * (rendezvous hashing, as in gRPC's random subsetting, gRFC A68). Clients use different subsets, and when one instance comes
 * or goes, at most one member of a subset changes.
 */
export class ClientSubset {
  private readonly ranks = new Map<string, number>();

  constructor(
    readonly size: number,
    readonly clientId: string,
  ) {}

  /** In list order; the list itself if it has at most `size` instances. */
  of(instances: readonly ServiceInstance[]): readonly ServiceInstance[] {
    if (instances.length <= this.size) return instances;
    if (this.ranks.size > MAX_RANKS_PER_INSTANCE * instances.length) this.ranks.clear();
    const ranked = instances.toSorted(
      (a, b) => this.rankOf(b) - this.rankOf(a) || (a.instanceId < b.instanceId ? -1 : 1),
    );
    const taken = new Set(ranked.slice(0, this.size));
    return instances.filter((instance) => taken.has(instance));
  }

  private rankOf({ instanceId }: ServiceInstance): number {
    let rank = this.ranks.get(instanceId);
    if (rank === undefined) this.ranks.set(instanceId, (rank = unitHash(`${this.clientId}/${instanceId}`)));
    return rank;
  }
}
