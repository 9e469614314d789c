import { type Context } from 'moleculer';
import { KnowingBroker } from '../support/moleculer-broker.js';
import { type BalancerPart, type BalancersPart, type BalancingParts, type LoadAwarePart } from './balancer-part.js';

/** The list of a service's endpoints, with its strategy. The published types omit the method that a call uses. */
interface EndpointList {
  next(context: Pick<Context<{ key?: string }>, 'params' | 'meta'>): { readonly id: string } | null;
}

function brokerWith(strategy: string, strategyOptions = {}): KnowingBroker {
  return new KnowingBroker({ registry: { strategy, strategyOptions } });
}

function partOf(broker: KnowingBroker, service: string): BalancerPart {
  return {
    update: async (ids) => broker.announce(service, ids),
    async pick(key) {
      const list = broker.broker.registry.actions.get(`${service}.get`) as unknown as EndpointList;
      const endpoint = list.next({ params: { key }, meta: {} });
      if (!endpoint) throw new Error('no endpoint is available');
      // Nodes are named after their service, since a node announces all its services at once.
      return endpoint.id;
    },
  };
}

function balancers(broker: KnowingBroker): BalancersPart {
  return { of: (service) => partOf(broker, service), close: async () => undefined };
}

/** Burdened by the CPU usage that a node announces. */
function loadAware(): LoadAwarePart {
  const broker = brokerWith('CpuUsage');
  let present: readonly string[] = [];
  const part = partOf(broker, 'users');
  return {
    pick: () => part.pick(),
    async update(ids) {
      const fresh = ids.filter((id) => !present.includes(id));
      present = ids;
      await part.update(ids);
      for (const id of fresh) broker.tellLoad(id, 5);
    },
    burden: async (id) => broker.tellLoad(id, 90),
    close: async () => undefined,
  };
}

export const moleculerBalancing: BalancingParts = {
  roundRobin: () => balancers(brokerWith('RoundRobin')),
  consistentHash: () => balancers(brokerWith('Shard', { shardKey: 'key' })),
  loadAware,
};
