import {
  createLoadBalancer,
  seededRandom,
  type LoadBalancer,
  type LoadBalancing,
  type PickContext,
  type Outcome,
  type ServiceInstance,
} from 'nest-service-discovery/core';
import { fakeInstance, ManualClock } from 'nest-service-discovery/testing';
import { type BalancerPart, type BalancersPart, type BalancingParts, type LoadAwarePart } from './balancer-part.js';

type Weights = Readonly<Record<string, number>>;

const ANSWERED: Outcome = { kind: 'response', status: 200, latencyMs: 1 };

function createBalancer(strategy: LoadBalancing): LoadBalancer {
  return createLoadBalancer(strategy, { clock: new ManualClock(), random: seededRandom(1) });
}

function instanceOf(instanceId: string, weights: Weights): ServiceInstance {
  return fakeInstance({ instanceId, ...(weights[instanceId] !== undefined && { weight: weights[instanceId] }) });
}

/** @returns the id, and a function that ends the call */
function pick(balancer: LoadBalancer, context?: PickContext): { id: string; end: () => void } {
  const picked = balancer.pick(context);
  if (picked.kind !== 'picked') throw new Error(`nothing can be picked: ${picked.reason}`);
  return { id: picked.instance.instanceId, end: () => picked.done(ANSWERED) };
}

function partOf(balancer: LoadBalancer, weights: Weights = {}): BalancerPart {
  return {
    update: async (ids) => balancer.update(ids.map((id) => instanceOf(id, weights))),
    async pick(key) {
      const { id, end } = pick(balancer, key === undefined ? undefined : { key });
      end();
      return id;
    },
  };
}

function balancers(strategy: LoadBalancing, weights?: Weights): BalancersPart {
  const byService = new Map<string, BalancerPart>();
  return {
    of(service) {
      const known = byService.get(service) ?? partOf(createBalancer(strategy), weights);
      byService.set(service, known);
      return known;
    },
    close: async () => undefined,
  };
}

/** Burdened by calls in flight. */
function loadAware(): LoadAwarePart {
  const balancer = createBalancer('least_connections');
  let present: readonly string[] = [];
  const part = partOf(balancer);
  return {
    pick: (key) => part.pick(key),
    async update(ids) {
      present = ids;
      await part.update(ids);
    },
    async burden(id) {
      const others = new Set(present.filter((other) => other !== id));
      for (let call = 0; call < 20; call++) pick(balancer, { exclude: others });
    },
    close: async () => undefined,
  };
}

export const ourBalancing: BalancingParts = {
  roundRobin: () => balancers('round_robin'),
  leastConnections: () => balancers('least_connections'),
  consistentHash: () => balancers('consistent_hash'),
  weightedRoundRobin: (weights) => balancers('weighted_round_robin', weights),
  loadAware,
};
