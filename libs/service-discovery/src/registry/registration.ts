import { type Lease, type LeaseKind, type ServiceInstance } from '../model/index.js';

export interface RegisterOptions {
  /**
   * `auto`: this process renews the lease, registers again when it was lost, and ends it in `deregisterOwn()`.
   * `manual`: somebody calls `heartbeat` in time, such as another process over REST.
   * @default 'auto'
   */
  heartbeat?: 'auto' | 'manual';
  /**
   * What renews the lease. `checks`: health checks that pass, until the first heartbeat from elsewhere comes; where this
   * process renews it, too, that leaves it as it is.
   * @default 'heartbeat'
   */
  lease?: LeaseKind;
  /**
   * For a registration that comes back after its lease was lost: the generation that it had at first. Where the id was
   * registered later than that, nothing changes, and `LeaseLostError` is thrown.
   * @default none: it replaces whatever holds the id
   */
  claim?: number;
}

export interface GenerationOptions {
  /** Acts only while this registration holds the id. @default our own registration's, else the one that the snapshot shows */
  generation?: number;
}

/** What became of a registration. */
export interface RegisteredInstance {
  readonly instance: ServiceInstance;
  readonly lease: Lease;
  /** Whether an instance stood under this id before. */
  readonly replaced: boolean;
}
