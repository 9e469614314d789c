import { type Lease, type LeaseKind, type ServiceInstance } from '../model/index.js';

/** How a registration is kept, and what it may replace. */
export interface RegisterOptions {
  /**
   * `auto`: this process renews the lease, registers the instance again if the lease is lost, and ends the lease in
   * `deregisterOwn()`. `manual`: the caller calls `heartbeat` in time, as other processes do over REST.
   * @default 'auto'
   */
  heartbeat?: 'auto' | 'manual';
  /**
   * What renews the lease. `checks`: passing health checks, until the first heartbeat that does not come from this
   * process's own renewals.
   * @default 'heartbeat'
   */
  lease?: LeaseKind;
  /**
   * The original generation of an instance that is registered again after its lease was lost. If the id was registered
   * later than that, nothing changes and `LeaseLostError` is thrown.
   * @default none: replaces the registration that holds the id
   */
  claim?: number;
  /** Who registers it, see {@link ServiceInstance.owner}. @default none */
  owner?: string;
  /**
   * Called with the registration under the same id, if there is one, right before it is replaced. What it throws keeps
   * that from happening.
   * @default every registration may be replaced
   */
  mayReplace?(current: ServiceInstance): void;
}

/** Guards a change against a registration of the same id that came later. */
export interface GenerationOptions {
  /**
   * Applies only while this generation holds the id.
   * @default the generation of our own lease, else that in the snapshot
   */
  generation?: number;
}

/** The result of a registration. */
export interface RegisteredInstance {
  readonly instance: ServiceInstance;
  readonly lease: Lease;
  /** Whether it replaced an earlier registration of the id. */
  readonly replaced: boolean;
}
