import { type ServiceInstance } from '../model/index.js';
import { unitHash } from './unit-hash.js';

/** How many ranks are remembered for each instance there is, before those of gone ones are forgotten. */
const MOST_REMEMBERED = 4;

/**
 * The part of a service that one client uses: those that draw the highest numbers out of the client's id and their own
 * (rendezvous hashing, as in gRPC's random subsetting, A68). Clients use different parts, and a change of one instance
 * changes one member of a client's part at most.
 */
export class ClientSubset {
  private readonly ranks = new Map<string, number>();

  constructor(
    readonly size: number,
    readonly clientId: string,
  ) {}

  /** In the order of the list; all where there are no more than `size`. */
  of(instances: readonly ServiceInstance[]): readonly ServiceInstance[] {
    if (instances.length <= this.size) return instances;
    if (this.ranks.size > MOST_REMEMBERED * instances.length) this.ranks.clear();
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
