import {
  DiscoveryMetrics,
  EventBus,
  type LoadBalancingStrategyName,
  MemoryRegistryStore,
  ServiceCommunicator,
  ServiceRegistry,
  UndiciTransport,
} from 'nest-service-discovery/core';
import { type CallRequest, type Contender } from './contender.js';
import { CALLED_SERVICE, registrationsOf } from './registrations.js';

/** Everything that is on by default, events and metrics besides. */
export function ours(strategy: LoadBalancingStrategyName): Contender {
  const toRequest = strategy in WITH_KEY ? WITH_KEY[strategy as keyof typeof WITH_KEY] : withoutKey;
  return {
    async setup(target) {
      const events = new EventBus();
      const store = new MemoryRegistryStore();
      const registry = new ServiceRegistry(store, {}, { events });
      await registry.start();
      const registrations = registrationsOf(target);
      await Promise.all(registrations.map((one) => registry.register(one, { heartbeat: 'manual' })));
      const metrics = new DiscoveryMetrics(events, registry);
      const transport = new UndiciTransport();
      const communicator = new ServiceCommunicator({ registry, transport, events }, { loadBalancing: strategy });
      return {
        call: (request) => communicator.callServiceJson(CALLED_SERVICE, toRequest(request)),
        async close() {
          await communicator.close();
          metrics.close();
          await registry.close();
          await store.close();
        },
      };
    },
  };
}

type ToRequest = (request: CallRequest) => Parameters<ServiceCommunicator['callServiceJson']>[1];

const withoutKey: ToRequest = ({ method, path, json }) => (json ? { method, path, json } : { method, path });

/** Strategies that go by something of the call. */
const WITH_KEY = {
  consistent_hash: (request) => ({ ...withoutKey(request), key: request.key }),
  maglev: (request) => ({ ...withoutKey(request), key: request.key }),
  ip_hash: (request) => ({ ...withoutKey(request), clientIp: request.key }),
} satisfies Partial<Record<LoadBalancingStrategyName, ToRequest>>;
