import { type ServiceInstance } from '../../model/index.js';
import { unitHash } from '../strategies/stable-hash.js';

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
