import {
  boolean,
  count,
  duration,
  fromEnv,
  oneOf,
  optional,
  OptionGroup,
  type OptionsOf,
  type ResolvedOf,
} from '../common/index.js';
import { type Lease, type LeaseKind, type ServiceInstance } from '../model/index.js';

const DEFAULT_TTL = '300s';

/** How a process follows the registry, and keeps its own registrations. */
export const SERVICE_REGISTRY_OPTIONS = new OptionGroup(
  '',
  {
    /**
     * How long a registration without a `ttl` of its own lives without a heartbeat: 1 s to 1 day.
     * @default '300s'
     */
    serviceTtl: fromEnv('SERVICE_TTL', duration({ default: DEFAULT_TTL, minMs: 1_000, maxMs: 86_400_000 })),
    /**
     * How often this process renews its own leases: at least 100 ms and less than `serviceTtl`. Leases that are not
     * longer than this are renewed at the default interval.
     * @default a third of the shortest lease, at most 30 s
     */
    heartbeatInterval: optional(duration({ minMs: 100, maxMs: 86_400_000 })),
    /**
     * How long `start()` waits for the registry's first answer before it goes on without it, and tries again in the background:
     * 0 to 10 minutes.
     * @default '3s'
     */
    startTimeout: duration({ default: '3s', maxMs: 600_000 }),
    /**
     * Whether `lastHeartbeat` follows the heartbeats of all instances. Turn it off if thousands of processes watch one
     * registry; `lastHeartbeat` is then the time of the last other change of the instance.
     * @default true
     */
    trackHeartbeats: boolean({ default: true }),
    /**
     * How long the last snapshot is served while the store is unreachable, 1 s to 30 days. After that, discovery and
     * calls fail with `REGISTRY_UNAVAILABLE`, since the addresses may belong to other services by then. The default
     * outlasts a weekend.
     * @default '3d'
     */
    maxSnapshotAge: duration({ default: '3d', minMs: 1_000, maxMs: 30 * 86_400_000 }),
    /**
     * How many instances may have writes queued while the store is unreachable, 0 to 1,000,000. Queued writes show in
     * this process's snapshot at once, and are reconciled when the store is back. 0: writes are rejected while it is
     * unreachable.
     * @default 0
     */
    maxOfflineWrites: count({ default: 0, min: 0, max: 1_000_000 }),
    /**
     * Which services this process reads: all, or only those that it registers, calls, discovers or watches by name. Requests
     * to its REST API add none.
     * `used` saves memory and traffic with thousands of services or processes. Lists, counts and aggregated health then
     * cover only these services, and the process runs no health checks, so at least one other process has to follow all.
     * The first call to a service waits for the registry, at most `startTimeout`.
     * @default 'all'
     */
    follow: oneOf(['all', 'used'], { default: 'all' }),
  },
  ({ serviceTtl, heartbeatInterval }, given, check) => {
    if (heartbeatInterval !== undefined && heartbeatInterval >= serviceTtl) {
      const expected = `less than serviceTtl (${String(given.serviceTtl ?? DEFAULT_TTL)})`;
      check.problem('heartbeatInterval', given.heartbeatInterval, expected);
    }
  },
);

export interface ServiceRegistryOptions extends OptionsOf<typeof SERVICE_REGISTRY_OPTIONS> {}
export interface ResolvedServiceRegistryOptions extends ResolvedOf<typeof SERVICE_REGISTRY_OPTIONS> {}

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
