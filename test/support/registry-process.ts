import { type Duration, systemClock } from '../../libs/service-discovery/src/common/index.js';
import { RedisRegistryStore, type RedisRegistryStoreOptions } from '../../libs/service-discovery/src/store/index.js';
import { ObservedRegistry } from './observed-registry.js';
import { pollUntil } from './poll.js';
import { sinceMs } from './timing.js';

/** Represents a user's process: a registry over its own store, with instances that it keeps registered. */
export class RegistryProcess extends ObservedRegistry {
  /** How often one of its leases was lost and registered again. */
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

  /** Retries the registration until it succeeds. @returns the time taken, in milliseconds */
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

  /** Its registrations stay until their leases expire. */
  async close(): Promise<void> {
    await this.registry.close();
    await this.store.close();
  }
}
