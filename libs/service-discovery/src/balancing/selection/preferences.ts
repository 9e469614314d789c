import { type ServiceInstance } from '../../model/index.js';
import { type SelectionCriteria } from '../load-balancer.js';
import { type ResolvedLoadBalancingOptions, type ResolvedRoute } from '../load-balancing-options.js';
import { type HashRequest, headerOf } from '../strategies/hash-source.js';
import { ClientSubset, levelOf, type TrafficSplit } from './partitions.js';
import { VersionGroups, type VersionShare } from './version-range.js';

/** The options for routes, versions, priorities, zone and subset, prepared for selection. */
export class Preferences {
  private readonly split: TrafficSplit;

  /** @param share takes the place of the option `versionWeights` */
  constructor(
    readonly options: ResolvedLoadBalancingOptions,
    share?: VersionShare,
  ) {
    const { versionWeights, priorities, zone, subset } = options;
    this.split = {
      groups: share
        ? new VersionGroups({ [share.version]: share.share }, 100 - share.share)
        : versionWeights && new VersionGroups(versionWeights),
      priorities,
      zone,
      subset: subset && new ClientSubset(subset.size, subset.clientId),
    };
  }

  /** The version that a route sends the request to; undefined if none matches. */
  routeOf(request: HashRequest): string | undefined {
    const { routes } = this.options;
    return routes.length === 0 ? undefined : routedVersion(request, routes);
  }

  /** How calls like this are split: a route overrides version weights, and the call's zone overrides that of the options. */
  splitFor({ zone }: SelectionCriteria, route: string | undefined): TrafficSplit {
    if (zone === undefined && route === undefined) return this.split;
    const own = this.split.zone;
    return {
      ...this.split,
      groups: route === undefined && this.split.groups,
      zone: zone === undefined ? own : { prefer: zone, minimumHealthyShare: own ? own.minimumHealthyShare : 0 },
    };
  }

  /** Whether two states of an instance are equivalent to every pick and to slow start. */
  areAlike(one: ServiceInstance, other: ServiceInstance): boolean {
    const { priorities } = this.options;
    return (
      one.status === other.status &&
      one.weight === other.weight &&
      one.generation === other.generation &&
      one.version === other.version &&
      one.zone === other.zone &&
      haveSameTags(one, other) &&
      (!priorities || levelOf(one, priorities) === levelOf(other, priorities))
    );
  }
}

/** The version of the first route that matches a request; undefined if none does. */
export function routedVersion(request: HashRequest, routes: readonly ResolvedRoute[]): string | undefined {
  return routes.find((route) => matches(headerOf(request, route.header), route))?.version;
}

function matches(header: string | undefined, { value, pattern }: ResolvedRoute): boolean {
  if (header === undefined) return false;
  if (value !== undefined) return header === value;
  return pattern?.test(header) ?? true;
}

function haveSameTags({ tags: some }: ServiceInstance, { tags: others }: ServiceInstance): boolean {
  return some === others || (some.length === others.length && some.every((tag, index) => tag === others[index]));
}
