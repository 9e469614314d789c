import { Inject, Injectable } from '@nestjs/common';
import { type InstanceKey, type Lease, type ServiceInstance } from '../../../model/index.js';
import { type GenerationOptions, ServiceRegistry, unknownWhileAway } from '../../../registry/index.js';
import { type RequestAccess } from './request-access.js';

/**
 * Finds the registration that a request is about to change, and checks that its caller owns it. A generation belongs to one
 * registration and so to one owner: a change bound to the generation that was checked cannot hit another caller's.
 */
@Injectable()
export class OwnedInstances {
  constructor(@Inject(ServiceRegistry) private readonly registry: ServiceRegistry) {}

  /** The instance registered under an id. @throws RegistryUnavailableError */
  async find(key: InstanceKey): Promise<ServiceInstance | undefined> {
    if (!this.registry.follows(key.serviceName)) await this.registry.follow(key.serviceName);
    return this.registry.getInstance(key);
  }

  /**
   * The instance that a registration would replace. While the registry is unreachable, an id that looks free may be another
   * caller's.
   * @throws RegistryUnavailableError
   */
  async toReplace(access: RequestAccess, key: InstanceKey): Promise<ServiceInstance | undefined> {
    const instance = await this.find(key);
    if (!instance && !access.mayOperateOn(key.serviceName)) this.assertConnected(key);
    return instance;
  }

  /**
   * @param generation as given in the request
   * @returns the generation to bind the change to; undefined if the caller owns no such instance
   * @throws AccessError unless the caller may change it; RegistryUnavailableError
   */
  async toChange(access: RequestAccess, key: InstanceKey, generation?: number): Promise<GenerationOptions | undefined> {
    const instance = await this.find(key);
    if (access.mayOperateOn(key.serviceName)) {
      await access.assertMayChange(instance ?? key);
      return { generation };
    }
    if (instance) {
      await access.assertMayChange(instance);
      return this.isOf(instance, generation) ? { generation: instance.generation } : undefined;
    }
    this.assertConnected(key);
    return undefined;
  }

  /** For each lease, whether the caller may renew it. @throws RegistryUnavailableError */
  async areRenewable(access: RequestAccess, leases: readonly Lease[]): Promise<readonly boolean[]> {
    return Promise.all(
      leases.map(async (lease) => {
        if (access.mayOperateOn(lease.serviceName)) return access.isAuthorized('operate', lease);
        if (!access.mayRegisterIn(lease.serviceName)) return false;
        const instance = await this.find(lease);
        if (!instance || !this.isOf(instance, lease.generation) || !access.owns(instance)) return false;
        return access.isAuthorized('register', instance);
      }),
    );
  }

  private assertConnected(key: InstanceKey): void {
    if (!this.registry.snapshot.connected) throw unknownWhileAway(key);
  }

  private isOf(instance: ServiceInstance, generation: number | undefined): boolean {
    return generation === undefined || this.registry.generationOf(instance, generation) === instance.generation;
  }
}
