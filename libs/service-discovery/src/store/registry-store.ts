import {
  type Change,
  type HealthStatus,
  type InstanceKey,
  type Lease,
  type LeaseKind,
  type OperatorStatus,
  type ServiceInstance,
  type StatusDetail,
  type WatchScope,
} from '../model/index.js';

/**
 * Where registrations live. Every implementation passes `registryStoreContract` of `./testing`.
 * A lease that runs out takes its instance along, unless expiry of the service is held: see `SelfPreservationOptions`.
 * Methods reject with `RegistryUnavailableError` when the store cannot be reached, in bounded time: a store over a
 * network gives up by itself.
 */
export interface RegistryStore {
  /**
   * Registers an instance, or replaces the registration under its id. What renews the lease is `instance.lease`. The lease
   * carries a generation greater than every earlier one of that id. Health starts as `unknown`; `maintenance` outlives a replacement, `draining`
   * does not.
   */
  put(instance: ServiceInstance, ttlMs: number): Promise<Lease>;
  /**
   * Registers an instance again whose lease was lost, as {@link put} does, unless the id was registered by somebody later.
   * @param claim the generation that the registration had at first; it is kept with the new one, so that of several that
   *   come back the latest holds the id in the end, in whichever order they come
   * @returns null: a registration with a later claim holds the id, and nothing changed
   */
  recover(instance: ServiceInstance, ttlMs: number, claim: number): Promise<Lease | null>;
  /**
   * Extends leases, in one round trip. False, at the lease's index: lost, register again.
   * @param by what renews them. A heartbeat extends any lease, and from then on heartbeats keep it. Checks extend those leases
   *   alone that checks keep; true, with nothing changed, for one that heartbeats keep. Left out: a heartbeat
   */
  renew(leases: readonly Lease[], by?: LeaseKind): Promise<readonly boolean[]>;
  /** Ends a lease. False: it was lost before, or a newer generation holds the id, and nothing changed. */
  remove(lease: Lease): Promise<boolean>;
  /**
   * Sets the operator's word (`up`, `maintenance`, `draining`) or the health (`unknown`, `healthy`, `unhealthy`),
   * whichever the status belongs to; the other one stays. False: no such instance.
   * @param detail a `HealthDetail` with a health, an `OperatorNote` with an operator's word
   */
  setStatus(key: InstanceKey, status: OperatorStatus | HealthStatus, detail?: StatusDetail): Promise<boolean>;
  /**
   * Opens with a reset that holds everything in scope, then every change after it: there is no gap between the two.
   * Ends when `signal` aborts or the store closes; throws `RegistryUnavailableError` when the connection is lost, and
   * may then be called again.
   */
  watch(scope: WatchScope, signal: AbortSignal): AsyncIterable<Change>;
  /**
   * Calls `listener` when the store can be reached again after an outage: whoever wants to open a lost watch anew need
   * not wait any longer. A store that cannot tell leaves it out.
   * @returns stops it
   */
  onReachable?(listener: () => void): () => void;
  /**
   * Calls `listener` with why when the store begins to refuse writes though it can be watched, at once where it does
   * already, and with null when it takes them again. A store that cannot tell leaves it out.
   * @returns stops it
   */
  onWritesRefused?(listener: (refusal: Error | null) => void): () => void;
  /**
   * About the generation that a registration made now would get. Generations grow with the store's clock, in microseconds,
   * so this tells when something was registered while the store was away. A store whose generations do not follow a clock
   * that it can ask for leaves it out.
   * @throws RegistryUnavailableError
   */
  generationNow?(): Promise<number>;
  /**
   * Ends all watches and frees what the store holds open, timers included. Called by whoever made the store, after the
   * registries over it are closed.
   */
  close(): Promise<void>;
}

const OPERATOR_STATUSES: readonly string[] = ['up', 'maintenance', 'draining'] satisfies OperatorStatus[];

export function isOperatorStatus(status: OperatorStatus | HealthStatus): status is OperatorStatus {
  return OPERATOR_STATUSES.includes(status);
}
