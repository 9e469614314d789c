import {
  type BalancingExplanation,
  createLoadBalancer,
  type CreateLoadBalancerDeps,
  type LoadBalancer,
  type LoadBalancing,
  mergeLoadBalancing,
  type PickContext,
  type VersionShare,
} from '../../balancing/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { keyOfSettings } from './shared-policies.js';

/** Differs from every list, even from an empty one. */
const NOT_FED: readonly ServiceInstance[] = [];

/** A balancer that is updated when it is used, so an unused one costs nothing. */
export class FedBalancer {
  private list = NOT_FED;
  private share: VersionShare | undefined;

  constructor(private readonly balancer: LoadBalancer) {}

  upToDate(list: readonly ServiceInstance[], share: VersionShare | undefined): LoadBalancer {
    if (share?.share !== this.share?.share || share?.version !== this.share?.version) {
      this.share = share;
      this.balancer.shareByVersion?.(share);
    }
    if (this.list !== list) {
      this.list = list;
      this.balancer.update(list);
    }
    return this.balancer;
  }
}

/** The balancers of one service, shared by callers with the same balancing settings. */
export class Balancers {
  private readonly bySettings = new Map<string, FedBalancer>();
  /** Keyed weakly: a caller may create a factory, and with it a balancer, per call. */
  private readonly byMaker = new WeakMap<Exclude<LoadBalancing, string>, FedBalancer>();

  /** @param base options that the options of callers are merged over */
  constructor(
    private readonly deps: CreateLoadBalancerDeps,
    private readonly base?: LoadBalancing,
  ) {}

  of(loadBalancing: LoadBalancing): FedBalancer {
    const key = typeof loadBalancing === 'string' ? loadBalancing : keyOfSettings(loadBalancing);
    if (key !== undefined) {
      let known = this.bySettings.get(key);
      if (!known) this.bySettings.set(key, (known = this.create(loadBalancing)));
      return known;
    }
    const maker = loadBalancing as Exclude<LoadBalancing, string>;
    let known = this.byMaker.get(maker);
    if (!known) this.byMaker.set(maker, (known = this.create(loadBalancing)));
    return known;
  }

  /** Which instances pass the filters, ignoring the strategy. */
  explainFilters(
    loadBalancing: LoadBalancing,
    instances: readonly ServiceInstance[],
    context: PickContext,
    share: VersionShare | undefined,
  ): BalancingExplanation {
    const options = typeof loadBalancing === 'object' ? loadBalancing : {};
    const { clock, loads } = this.deps;
    const filters = createLoadBalancer({ ...options, strategy: 'round_robin' }, { clock, loads, random: () => 0 });
    filters.shareByVersion?.(share);
    filters.update(instances);
    return { ...filters.explain!(context), goesBy: undefined };
  }

  private create(loadBalancing: LoadBalancing): FedBalancer {
    return new FedBalancer(
      createLoadBalancer(mergeLoadBalancing(this.base, loadBalancing) ?? loadBalancing, this.deps),
    );
  }
}
