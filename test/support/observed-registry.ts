import { type EventName } from '../../libs/service-discovery/src/model/index.js';
import { EventBus } from '../../libs/service-discovery/src/observability/index.js';
import { ServiceRegistry, type ServiceRegistryOptions } from '../../libs/service-discovery/src/registry/index.js';
import { type RedisRegistryStore } from '../../libs/service-discovery/src/store/index.js';

/** A registry over its own store, with a way to wait for its state. */
export class ObservedRegistry {
  readonly bus = new EventBus();
  readonly registry: ServiceRegistry;

  constructor(
    readonly store: RedisRegistryStore,
    options: Partial<ServiceRegistryOptions>,
  ) {
    this.registry = new ServiceRegistry(store, options, { events: this.bus });
  }

  next(name: EventName): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.bus.on(name, () => {
        stop();
        resolve();
      });
    });
  }

  /** Resolves when the registry's snapshot matches, now or after a change. */
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
