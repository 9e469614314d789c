import { type EventName } from '../../libs/service-discovery/src/model/index.js';
import { EventBus } from '../../libs/service-discovery/src/observability/index.js';
import { ServiceRegistry, type ServiceRegistryOptions } from '../../libs/service-discovery/src/registry/index.js';
import { type RedisRegistryStore } from '../../libs/service-discovery/src/store/index.js';

/** What stands for a process: a registry over a store of its own, with instances that it keeps registered. */
export class RegistryMember {
  readonly bus = new EventBus();
  readonly registry: ServiceRegistry;

  constructor(
    readonly store: RedisRegistryStore,
    options: Partial<ServiceRegistryOptions>,
  ) {
    this.registry = new ServiceRegistry(store, options, { events: this.bus });
  }

  register(instanceId: string): Promise<unknown> {
    return this.registry.register({ serviceName: 'users', instanceId, host: '127.0.0.1', port: 8080 });
  }

  get ids(): string[] {
    return this.registry.getInstances('users').map(({ instanceId }) => instanceId);
  }

  next(name: EventName): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.bus.on(name, () => {
        stop();
        resolve();
      });
    });
  }

  /** Resolves when the registry's snapshot, now or after one of its changes, is as wanted. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!holds()) return;
        stop();
        resolve();
      };
      const stop = this.registry.onChange(check);
      check();
    });
  }
}
