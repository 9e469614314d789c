import {
  type BalancingExplanation,
  createLoadBalancer,
  type CreateLoadBalancerDeps,
  type LoadBalancer,
  type LoadBalancing,
  mergeLoadBalancing,
  type PickContext,
} from '../../balancing/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { keyOfSettings } from './settings-key.js';

/** No list at all, not even an empty one. */
const NOT_FED: readonly ServiceInstance[] = [];

/** A balancer that is brought up to date when it is asked for, so that one which is used no more costs nothing. */
export class FedBalancer {
  private list = NOT_FED;

  constructor(private readonly balancer: LoadBalancer) {}

  upToDate(list: readonly ServiceInstance[]): LoadBalancer {
    if (this.list !== list) {
      this.list = list;
      this.balancer.update(list);
    }
    return this.balancer;
  }
}

/** The balancers of one service: one for all callers who balance in the same way. */
export class Balancers {
  private readonly bySettings = new Map<string, FedBalancer>();
  /** Held weakly: a caller may make a factory for each call, and with it a balancer. */
  private readonly byMaker = new WeakMap<Exclude<LoadBalancing, string>, FedBalancer>();

  /** @param base what is said of how to balance is laid over this */
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

  /** What the options beside a strategy leave of the instances. */
  explainFilters(
    loadBalancing: LoadBalancing,
    instances: readonly ServiceInstance[],
    context: PickContext,
  ): BalancingExplanation {
    const options = typeof loadBalancing === 'object' ? loadBalancing : {};
    const { clock, loads } = this.deps;
    const filters = createLoadBalancer({ ...options, strategy: 'round_robin' }, { clock, loads, random: () => 0 });
    filters.update(instances);
    return { ...filters.explain!(context), goesBy: undefined };
  }

  private create(loadBalancing: LoadBalancing): FedBalancer {
    return new FedBalancer(
      createLoadBalancer(mergeLoadBalancing(this.base, loadBalancing) ?? loadBalancing, this.deps),
    );
  }
}
