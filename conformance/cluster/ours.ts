import {
  MemoryRegistryStore,
  seededRandom,
  ServiceCommunicator,
  ServiceRegistry,
  TransportError,
} from 'nest-service-discovery/core';
import { FakeTransport, ManualClock } from 'nest-service-discovery/testing';
import { Sendings, type ClusterParts, type ClusterPart, type ClusterSettings } from './cluster-part.js';

async function ourCluster({ ids, attempts, keyed, ejects }: ClusterSettings): Promise<ClusterPart> {
  const clock = new ManualClock();
  const random = seededRandom(1);
  const failing = new Set<string>();
  const sendings = new Sendings();
  const store = new MemoryRegistryStore({ clock });
  const registry = new ServiceRegistry(store, {}, { clock, random });
  await registry.start();
  for (const [index, instanceId] of ids.entries()) {
    const registration = {
      serviceName: 'users',
      instanceId,
      host: '127.0.0.1',
      port: 8_000 + index,
      ttl: '1d',
    } as const;
    await registry.register(registration, { heartbeat: 'manual' });
  }
  const transport = new FakeTransport(({ instanceId }, { path }) => {
    sendings.note(path, instanceId);
    if (failing.has(instanceId)) throw new TransportError('socket hang up', false);
    return { body: instanceId };
  });
  const communicator = new ServiceCommunicator(
    { registry, transport, clock, random },
    {
      loadBalancing: keyed ? 'consistent_hash' : 'round_robin',
      retry: attempts > 1 && { maxAttempts: attempts, baseDelay: 0, jitter: 'none', budget: false },
      circuitBreaker: keyed && ejects && { failureThreshold: 5, recoveryTimeout: '30s' },
      outlierDetection: !keyed && ejects && {},
    },
  );
  return {
    break: async (id) => void failing.add(id),
    mend: async (id) => void failing.delete(id),
    async call(name, key) {
      const response = await communicator.callService('users', { path: `/${name}`, ...(key && { key }) });
      return response.body.text();
    },
    sentTo: (name) => sendings.of(`/${name}`),
    advance: (ms) => clock.advanceAsync(ms),
    async close() {
      await registry.close();
      await store.close();
      await transport.close();
    },
  };
}

export const ourClusters: ClusterParts = { retrying: ourCluster, hashing: ourCluster, ejecting: ourCluster };
