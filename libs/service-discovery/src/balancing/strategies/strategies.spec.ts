import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { type ServiceInstance } from '../../model/index.js';
import { loadBalancerContract } from '../../testing/load-balancer-contract.js';
import { createLoadBalancer } from '../load-balancing.js';
import { selectEligible } from '../selection/eligibility.js';
import { type LoadBalancerDeps } from '../load-balancer.js';
import { type LoadBalancer, type PickContext, type PickResult } from '../load-balancer.js';
import { LoadBalancingStrategy } from './strategy-names.js';

/** A custom balancer: the library's filters and a choice of its own. */
class ByChance implements LoadBalancer {
  private instances: readonly ServiceInstance[] = [];

  constructor(private readonly deps: LoadBalancerDeps) {}

  update(instances: readonly ServiceInstance[]): void {
    this.instances = instances;
  }

  pick(context?: PickContext): PickResult {
    const eligible = selectEligible(this.instances, context);
    if (eligible.kind === 'unavailable') return eligible;
    const instance = eligible.instances[Math.floor(this.deps.random() * eligible.instances.length)];
    if (!instance) return { kind: 'unavailable', reason: 'no_instances' };
    return { kind: 'picked', instance, done: () => undefined };
  }
}

const harness = { describe, it, beforeEach, afterEach };

describe.each(Object.values(LoadBalancingStrategy))('%s', (name) => {
  loadBalancerContract(harness, (deps) => createLoadBalancer(name, deps));
});

describe('a custom balancer', () => {
  loadBalancerContract(harness, (deps) => createLoadBalancer(ByChance, deps));
});
