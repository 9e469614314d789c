import { type Duration, systemClock } from '../../libs/service-discovery/src/common/index.js';
import { RedisRegistryStore, type RedisRegistryStoreOptions } from '../../libs/service-discovery/src/store/index.js';
import { ObservedRegistry } from './observed-registry.js';
import { pollUntil } from './poll.js';
import { sinceMs } from './timing.js';

/** What a process of a user's does: a registry over a store of its own, with instances that it keeps registered. */
export class RegistryProcess extends ObservedRegistry {
  /** How often a lease of its own was lost, and registered again. */
  recoveries = 0;

  constructor(options: RedisRegistryStoreOptions, heartbeatInterval: Duration = '500ms') {
    super(new RedisRegistryStore({ commandTimeout: 1_000, ...options }), { heartbeatInterval });
    this.bus.on('lease.recovered', () => void (this.recoveries += 1));
  }

  static async start(options: RedisRegistryStoreOptions, heartbeatInterval?: Duration): Promise<RegistryProcess> {
    const process = new RegistryProcess(options, heartbeatInterval);
    await process.registry.start();
    return process;
  }

  register(serviceName: string, instanceId: string): Promise<unknown> {
    return this.registry.register({ serviceName, instanceId, host: '127.0.0.1', port: 8080 });
  }

  /** Registers for as long as it takes. @returns after how many milliseconds it went well */
  async registerAtLast(serviceName: string, instanceId: string): Promise<number> {
    const start = systemClock.now();
    await pollUntil('a registration', () =>
      this.register(serviceName, instanceId).then(
        () => true,
        () => false,
      ),
    );
    return sinceMs(start);
  }

  ids(serviceName: string): string[] {
    return this.registry
      .getInstances(serviceName)
      .map(({ instanceId }) => instanceId)
      .sort();
  }

  /** What it registered stays, until its leases run out. */
  async close(): Promise<void> {
    await this.registry.close();
    await this.store.close();
  }
}
