import { describe, expect, it } from '@jest/globals';
import { usedHeap } from '../../../../test/support/used-heap.js';
import { type Lease, type ServiceRegistration } from '../model/index.js';
import { MemoryRegistryStore } from '../store/index.js';
import { ManualClock } from '../testing/manual-clock.js';
import { ServiceRegistry } from './service-registry.js';

const INSTANCES = 10_000;
const SERVICES = 100;

/** Parsed separately, as it arrives over HTTP, so that no two share anything. */
function registrationAt(index: number): ServiceRegistration {
  const service = `service-${index % SERVICES}`;
  return JSON.parse(
    JSON.stringify({
      serviceName: service,
      instanceId: `${service}-${index}`,
      host: `10.0.${index >> 8}.${index & 255}`,
      port: 8080,
      tags: ['api', 'v1'],
      version: '1.2.3',
      zone: `zone-${index % 3}`,
      metadata: { rack: `rack-${index % 40}` },
    }),
  ) as ServiceRegistration;
}

describe('the memory use of a registry', () => {
  it('is below 800 bytes per instance, store and snapshot together', async () => {
    const clock = new ManualClock();
    const store = new MemoryRegistryStore({ clock });
    const registry = new ServiceRegistry(store, {}, { clock });
    await registry.start();
    const register = async (index: number): Promise<Lease> =>
      (await registry.register(registrationAt(index), { heartbeat: 'manual' })).lease;
    // The first ones include one-time allocations.
    for (let index = 0; index < SERVICES; index++) await register(index);

    const before = usedHeap();
    for (let index = SERVICES; index < INSTANCES; index++) await register(index);
    expect((usedHeap() - before) / (INSTANCES - SERVICES)).toBeLessThan(800);
    await registry.close();
    await store.close();
  });
});
