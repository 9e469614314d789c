import { type ServiceInstance } from '../model/index.js';
import { type SelectionCriteria } from './load-balancer.js';
import { type HashRequest } from './hash-source.js';
import { levelOf, type Sharing } from './parts.js';
import { routedVersion } from './request-route.js';
import { type ResolvedLoadBalancingOptions } from './resolve-load-balancing-options.js';
import { ClientSubset } from './subset.js';
import { VersionGroups } from './version-groups.js';

/** What the options say about who comes first, made ready for use. */
export class Preferences {
  private readonly sharing: Sharing;

  constructor(readonly options: ResolvedLoadBalancingOptions) {
    const { versionWeights, priorities, zone, subset } = options;
    this.sharing = {
      groups: versionWeights && new VersionGroups(versionWeights),
      priorities,
      zone,
      subset: subset && new ClientSubset(subset.size, subset.clientId),
    };
  }

  /** The version that a route sends the request to; undefined where none does. */
  routeOf(request: HashRequest): string | undefined {
    const { routes } = this.options;
    return routes.length === 0 ? undefined : routedVersion(request, routes);
  }

  /** How calls like this are shared out: a route decides on the version by itself, the call's zone stands above ours. */
  sharingOf({ zone }: SelectionCriteria, route: string | undefined): Sharing {
    if (zone === undefined && route === undefined) return this.sharing;
    const own = this.sharing.zone;
    return {
      ...this.sharing,
      groups: route === undefined && this.sharing.groups,
      zone: zone === undefined ? own : { prefer: zone, minimumHealthyShare: own ? own.minimumHealthyShare : 0 },
    };
  }

  /** Whether two states of an instance are the same to every pick and to slow start. */
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

function haveSameTags({ tags: some }: ServiceInstance, { tags: others }: ServiceInstance): boolean {
  return some === others || (some.length === others.length && some.every((tag, index) => tag === others[index]));
}
