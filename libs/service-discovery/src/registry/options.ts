import { OptionValidator, type Duration } from '../common/index.js';

/** How a process follows the registry, and keeps its own registrations. */
export interface ServiceRegistryOptions {
  /**
   * How long a registration without a `ttl` of its own lives without a heartbeat: 1 s to 1 day.
   * @default '300s'
   */
  serviceTtl: Duration;
  /**
   * How often this process renews its own leases: at least 100 ms and less than `serviceTtl`. Leases that are not
   * longer than this are renewed at the default interval.
   * @default a third of the shortest lease, at most 30 s
   */
  heartbeatInterval?: Duration;
  /**
   * How long `start()` waits for the first snapshot: 0 to 10 minutes. The default leaves a test that starts an app
   * without its registry within the 5 s that Jest gives it.
   * @default '3s'
   */
  startTimeout: Duration;
  /**
   * Whether `lastHeartbeat` follows the heartbeats of all instances. Turn it off if thousands of processes watch one
   * registry; `lastHeartbeat` is then the time of the last other change of the instance.
   * @default true
   */
  trackHeartbeats: boolean;
  /**
   * How long the last snapshot is served while the store is unreachable, 1 s to 30 days. After that, discovery and
   * calls fail with `REGISTRY_UNAVAILABLE`, since the addresses may belong to other services by then. The default
   * outlasts a weekend.
   * @default '3d'
   */
  maxSnapshotAge: Duration;
  /**
   * How many instances may have writes queued while the store is unreachable, 0 to 1,000,000. Queued writes show in
   * this process's snapshot at once, and are reconciled when the store is back. 0: writes are rejected while it is
   * unreachable.
   * @default 0
   */
  maxOfflineWrites: number;
  /**
   * Which services this process reads: all, or only those that it registers, calls, discovers or watches by name.
   * `used` saves memory and traffic with thousands of services or processes. Lists, counts and aggregated health then
   * cover only these services, and the process runs no health checks, so at least one other process has to follow all.
   * The first call to a service waits for the registry, at most `startTimeout`.
   * @default 'all'
   */
  follow: 'all' | 'used';
}

export const DEFAULT_SERVICE_REGISTRY_OPTIONS: ServiceRegistryOptions = {
  serviceTtl: '300s',
  startTimeout: '3s',
  trackHeartbeats: true,
  maxSnapshotAge: '3d',
  maxOfflineWrites: 0,
  follow: 'all',
};

export interface ResolvedServiceRegistryOptions {
  readonly serviceTtlMs: number;
  readonly heartbeatIntervalMs: number | undefined;
  readonly startTimeoutMs: number;
  readonly trackHeartbeats: boolean;
  readonly maxSnapshotAgeMs: number;
  readonly maxOfflineWrites: number;
  readonly follow: 'all' | 'used';
}

/**
 * Fills in the defaults.
 * @param path prefix of option names in error messages, such as `registry`
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveServiceRegistryOptions(
  options?: Partial<ServiceRegistryOptions>,
  path = '',
): ResolvedServiceRegistryOptions {
  const check = new OptionValidator(path);
  const given = check.options('', options, DEFAULT_SERVICE_REGISTRY_OPTIONS, ['heartbeatInterval']);
  const serviceTtlMs = check.duration('serviceTtl', given.serviceTtl, { minMs: 1_000, maxMs: 86_400_000 });
  const heartbeatIntervalMs =
    given.heartbeatInterval === undefined
      ? undefined
      : check.duration('heartbeatInterval', given.heartbeatInterval, { minMs: 100, maxMs: 86_400_000 });
  if (heartbeatIntervalMs !== undefined && heartbeatIntervalMs >= serviceTtlMs) {
    check.problem('heartbeatInterval', given.heartbeatInterval, `less than serviceTtl (${String(given.serviceTtl)})`);
  }
  const startTimeoutMs = check.duration('startTimeout', given.startTimeout, { maxMs: 600_000 });
  const trackHeartbeats = check.boolean('trackHeartbeats', given.trackHeartbeats);
  const maxSnapshotAgeMs = check.duration('maxSnapshotAge', given.maxSnapshotAge, {
    minMs: 1_000,
    maxMs: 30 * 86_400_000,
  });
  const maxOfflineWrites = check.number('maxOfflineWrites', given.maxOfflineWrites, {
    min: 0,
    max: 1_000_000,
    integer: true,
  });
  const follow = check.oneOf('follow', given.follow, ['all', 'used']);
  check.throwIfAny();
  return {
    serviceTtlMs,
    heartbeatIntervalMs,
    startTimeoutMs,
    trackHeartbeats,
    maxSnapshotAgeMs,
    maxOfflineWrites,
    follow,
  };
}
