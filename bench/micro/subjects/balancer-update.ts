import { createLoadBalancer, type LoadBalancingStrategyName, type ServiceInstance } from 'nest-service-discovery/core';
import { instancesOf } from '../../support/instances.js';
import { INSTANCE_COUNTS, type MicroCase, type MicroSubject } from '../micro-case.js';

/** A different instance each time, so that no cache from its last change is left. */
const VARIETY = 64;

/** Updates a balancer with a list in which one instance has changed, and picks; the list is made in advance. */
export function updating(strategy: LoadBalancingStrategyName): MicroSubject {
  return {
    cases: INSTANCE_COUNTS.flatMap((count) => [
      updateAndPick(strategy, count, 'one health check, next pick', (instance) => ({
        ...instance,
        health: { checkedAt: 1 },
      })),
      updateAndPick(strategy, count, 'one goes into maintenance or comes back, next pick', (instance) => ({
        ...instance,
        status: 'maintenance',
        operatorStatus: 'maintenance',
      })),
    ]),
  };
}

function updateAndPick(
  strategy: LoadBalancingStrategyName,
  instances: number,
  what: string,
  change: (instance: ServiceInstance) => ServiceInstance,
): MicroCase {
  const balancer = createLoadBalancer(strategy);
  const usual = instancesOf(instances, 1);
  const changed = Array.from({ length: VARIETY }, (_, index) => {
    const at = Math.floor((index * instances) / VARIETY);
    return usual.with(at, change(usual[at]!));
  });
  balancer.update(usual);
  let updates = 0;
  return {
    what,
    instances,
    run(steps) {
      for (let step = 0; step < steps; step++) {
        balancer.update(updates % 2 === 0 ? changed[(updates >> 1) % VARIETY]! : usual);
        updates++;
        const picked = balancer.pick({ key: 'user-1' });
        if (picked.kind === 'picked') picked.done({ kind: 'response', status: 200, latencyMs: 1 });
      }
    },
  };
}
