import { ObservedRegistry } from './observed-registry.js';

/** What stands for a process: a registry over a store of its own, with instances of `users` that it keeps registered. */
export class RegistryMember extends ObservedRegistry {
  register(instanceId: string): Promise<unknown> {
    return this.registry.register({ serviceName: 'users', instanceId, host: '127.0.0.1', port: 8080 });
  }

  get ids(): string[] {
    return this.registry.getInstances('users').map(({ instanceId }) => instanceId);
  }
}
