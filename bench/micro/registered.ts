import { MemoryRegistryStore, ServiceRegistry, type Lease } from 'nest-service-discovery/core';
import { instancesOf, TTL_MS } from '../support/instances.js';

/** A registry that follows a store in the same process, with instances in it. */
export interface Registered {
  readonly registry: ServiceRegistry;
  readonly changes: Changes;
  close(): Promise<void>;
}

export async function register(instances: number, services = 1): Promise<Registered> {
  const store = new MemoryRegistryStore();
  const leases = await Promise.all(instancesOf(instances, services).map((instance) => store.put(instance, TTL_MS)));
  const registry = new ServiceRegistry(store);
  await registry.start();
  return {
    registry,
    changes: new Changes(store, registry, leases),
    async close() {
      await registry.close();
      await store.close();
    },
  };
}

/** A change reaches the snapshot within a few microtask turns, or never. */
const MOST_TURNS = 1_000;

/** Changes that a registry follows, one at a time, each to another instance. */
class Changes {
  private away: Lease | undefined;
  private statuses = 0;
  private renewals = 0;

  constructor(
    private readonly store: MemoryRegistryStore,
    private readonly registry: ServiceRegistry,
    private readonly leases: readonly Lease[],
  ) {}

  /** Puts one instance into maintenance, or brings it back. */
  async setStatus(): Promise<void> {
    const { away } = this;
    this.away = away ? undefined : this.leases[this.statuses++ % this.leases.length]!;
    await this.followed(() => this.store.setStatus((away ?? this.away)!, away ? 'up' : 'maintenance'));
  }

  async renew(): Promise<void> {
    const lease = this.leases[this.renewals++ % this.leases.length]!;
    await this.followed(() => this.store.renew([lease]));
  }

  private async followed(change: () => Promise<unknown>): Promise<void> {
    const before = this.registry.snapshot;
    await change();
    for (let turn = 0; this.registry.snapshot === before; turn++) {
      if (turn === MOST_TURNS) throw new Error('A change did not reach the snapshot');
      await Promise.resolve();
    }
  }
}
