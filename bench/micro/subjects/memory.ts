import { MemoryRegistryStore, ServiceRegistry, type Lease } from 'nest-service-discovery/core';
import { instanceAt } from '../../support/instances.js';
import { type Holding, type MicroSubject } from '../micro-case.js';

const INSTANCES = 100_000;
const SERVICES = 1_000;

/** Memory of a process with 100,000 instances of 1,000 services that registered with it individually, as over HTTP. */
export async function memory(): Promise<MicroSubject> {
  return { cases: [], holdings: held };
}

async function held(): Promise<readonly Holding[]> {
  const before = usedBytes();
  const store = new MemoryRegistryStore();
  const registry = new ServiceRegistry(store);
  await registry.start();
  for (let index = 0; index < INSTANCES; index++) {
    await registry.register(registrationAt(index), { heartbeat: 'manual' });
  }
  const registered = usedBytes() - before;
  await store.renew(leasesIn(registry));
  // The snapshot processes the heartbeats in a turn of its own.
  await new Promise((resolve) => setImmediate(resolve));
  const renewed = usedBytes() - before;
  await registry.close();
  await store.close();
  return [
    { what: 'registered', count: INSTANCES, bytes: registered },
    { what: 'registered and renewed', count: INSTANCES, bytes: renewed },
  ];
}

/** As parsed from a request: no shared strings, arrays or objects. */
function registrationAt(index: number): ReturnType<typeof instanceAt> {
  return JSON.parse(JSON.stringify(instanceAt(index, SERVICES))) as ReturnType<typeof instanceAt>;
}

function leasesIn({ snapshot }: ServiceRegistry): Lease[] {
  return [...snapshot.services.values()]
    .flat()
    .map(({ serviceName, instanceId, generation, ttlMs }) => ({ serviceName, instanceId, generation, ttlMs }));
}

function usedBytes(): number {
  // Twice: the first run releases the owners of buffers.
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
