import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { seededRandom } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { loadBalancerContract } from '../../testing/load-balancer-contract.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { createLoadBalancer } from '../load-balancing.js';
import { selectEligible } from '../selection/eligibility.js';
import { type LoadBalancerDeps } from '../load-balancer.js';
import { type LoadBalancer, type PickContext, type PickResult } from '../load-balancer.js';
import { LOAD_STRATEGIES, LoadBalancingStrategy } from './strategy-names.js';

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

describe.each(LOAD_STRATEGIES)('%s, which goes by load', (name) => {
  /** The share of the instance of weight 300, beside one of weight 100 that is as fast. */
  function shareOfHeavy(inFlight: number): number {
    const balancer = createLoadBalancer(name, { random: seededRandom(1), clock: new ManualClock() });
    balancer.update([
      fakeInstance({ instanceId: 'heavy', weight: 300 }),
      fakeInstance({ instanceId: 'light', weight: 100 }),
    ]);
    const running: PickResult[] = [];
    let heavy = 0;
    for (let call = 0; call < 4_000; call++) {
      const picked = balancer.pick();
      if (picked.kind !== 'picked') throw new Error(picked.reason);
      if (picked.instance.instanceId === 'heavy') heavy++;
      running.push(picked);
      const ended = running.length > inFlight ? running.shift() : undefined;
      if (ended?.kind === 'picked') ended.done({ kind: 'response', status: 200, latencyMs: 10 });
    }
    return heavy / 4_000;
  }

  it.each([0, 40])('gives equally fast instances shares by weight, with %i other calls in flight', (inFlight) => {
    expect(shareOfHeavy(inFlight)).toBeCloseTo(0.75, 1);
  });
});

describe('a custom balancer', () => {
  loadBalancerContract(harness, (deps) => createLoadBalancer(ByChance, deps));
});
