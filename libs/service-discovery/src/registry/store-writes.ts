import { LeaseLostError } from '../common/index.js';
import {
  type HealthStatus,
  type InstanceKey,
  type Lease,
  type LeaseKind,
  type OperatorStatus,
  type ServiceInstance,
  type StatusDetail,
} from '../model/index.js';
import { type RegistryStore } from '../store/index.js';
import { type LeaseKeeper } from './leases/lease-keeper.js';

/** Where the writes of this process go. */
export interface WriteTarget extends Pick<RegistryStore, 'renew' | 'setStatus'> {
  /**
   * @param keep whether this process renews the lease from now on
   * @param claim see {@link RegistryStore.recover}; undefined for a new registration
   * @throws LeaseLostError if the id was registered later than the claim
   */
  register(instance: ServiceInstance, keep: boolean, claim?: number): Promise<Lease>;
  /** Ends a lease, which is no longer renewed. See {@link RegistryStore.remove}. */
  deregister(lease: Lease): Promise<boolean>;
}

/** Writes to the store, and hands the leases that this process renews to their keeper. */
export class StoreWrites implements WriteTarget {
  constructor(
    private readonly store: RegistryStore,
    private readonly leases: LeaseKeeper,
  ) {}

  async register(instance: ServiceInstance, keep: boolean, claim?: number): Promise<Lease> {
    const { serviceName, instanceId, ttlMs } = instance;
    const lease =
      claim === undefined ? await this.store.put(instance, ttlMs) : await this.store.recover(instance, ttlMs, claim);
    if (!lease) throw new LeaseLostError(serviceName, instanceId);
    if (keep) this.leases.keep(instance, lease, claim);
    else this.leases.forget(instance);
    return lease;
  }

  deregister(lease: Lease): Promise<boolean> {
    if (this.leases.leaseOf(lease)?.generation === lease.generation) this.leases.forget(lease);
    return this.store.remove(lease);
  }

  renew(leases: readonly Lease[], by: LeaseKind): Promise<readonly boolean[]> {
    return this.store.renew(leases, by);
  }

  setStatus(key: InstanceKey, status: OperatorStatus | HealthStatus, detail?: StatusDetail): Promise<boolean> {
    return this.store.setStatus(key, status, detail);
  }
}
