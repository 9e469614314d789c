import { ObservedRegistry } from './observed-registry.js';

/** Represents a process: a registry over its own store, with instances of `users` that it keeps registered. */
export class RegistryMember extends ObservedRegistry {
  register(instanceId: string): Promise<unknown> {
    return this.registry.register({ serviceName: 'users', instanceId, host: '127.0.0.1', port: 8080 });
  }

  get ids(): string[] {
    return this.registry.getInstances('users').map(({ instanceId }) => instanceId);
  }
}
