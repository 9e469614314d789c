import {
  type Clock,
  type Duration,
  messageOf,
  type MissingService,
  onAbort,
  OptionValidator,
  RegistryUnavailableError,
  ServiceNotReadyError,
  throwIfAborted,
} from '../../common/index.js';
import { findCriteriaProblems, type PickContext, selectServing } from '../../balancing/index.js';
import { findServiceNamesProblems, type ServiceInstance } from '../../model/index.js';
import { type ServiceRegistry } from '../../registry/index.js';
import { DISCOVERY_NAMES, type DiscoveryCriteria, NO_CRITERIA } from '../discovery-criteria.js';
import { describeAbsence, describeInstances, describeStaleness } from './what-was-seen.js';

/** How to wait for a service. */
export interface WaitForServiceOptions {
  /**
   * Timeout, from 0 (a single lookup) to 1 day; `false` waits indefinitely, for waits in the background: in a startup
   * hook, the app would hang instead of reporting what is missing.
   * @default '20s'
   */
  timeout?: Duration | false;
  /** Rejects with its reason when it aborts. @default never */
  signal?: AbortSignal;
  /**
   * Which instances count: those that a health check found `healthy`, or all that are `discoverable`, including
   * unchecked ones. If no process makes health checks, none ever becomes healthy.
   * @default 'healthy'
   */
  status?: 'healthy' | 'discoverable';
  /** Minimum number of such instances: an integer of 1 or more. @default 1 */
  minInstances?: number;
  /** Additional criteria, also used to pick the endpoint. @default any, by the module's `loadBalancing` */
  criteria?: DiscoveryCriteria;
}

const DEFAULT_WAIT_FOR_SERVICE_OPTIONS: WaitForServiceOptions = {
  timeout: '20s',
  status: 'healthy',
  minInstances: 1,
};

export interface ServiceWaitDeps {
  readonly registry: Pick<
    ServiceRegistry,
    'watch' | 'servedInstances' | 'follows' | 'snapshot' | 'ageMs' | 'listServices'
  >;
  readonly clock: Clock;
  /** Picks an instance, preferring those not excluded; or says why none can be picked. */
  choose(
    name: string,
    instances: readonly ServiceInstance[],
    criteria: DiscoveryCriteria & Pick<PickContext, 'exclude'>,
  ): ServiceInstance | string;
  /** Whether a signal ends the process, so that the wait must not settle any more. @default false */
  isAbandoned?(): boolean;
  /** A hint to add to the error of a failed wait. @default none */
  hint?(): string;
}

interface Wanted {
  readonly status: 'healthy' | 'discoverable';
  readonly minInstances: number;
  readonly criteria: DiscoveryCriteria;
}

/** Why there is no matching instance. */
type Reason = () => string;

/**
 * Waits until all of the services are available at the same time, woken by changes. Leaves nothing behind. Never
 * settles once abandoned.
 * @returns an endpoint for each name, in their order
 * @throws ServiceNotReadyError; the signal's reason; RegistryUnavailableError if the registry closes during the wait;
 * InvalidConfigurationError naming every wrong name and option
 */
export async function waitForServices(
  deps: ServiceWaitDeps,
  names: readonly string[],
  options: WaitForServiceOptions,
): Promise<readonly ServiceInstance[]> {
  const { timeoutMs, signal, ...wanted } = resolveOptions(names, options);
  const look = (): readonly (ServiceInstance | Reason)[] => names.map((name) => find(deps, name, wanted));
  throwIfAborted(signal);
  if (names.length === 0) return [];
  const over = new AbortController();
  let isTooLate = false;
  const tooLate = (): void => {
    isTooLate = true;
    over.abort();
  };
  const timer = timeoutMs === undefined ? undefined : deps.clock.setTimer(tooLate, timeoutMs);
  const unfollow = signal && onAbort(signal, () => over.abort());
  try {
    for await (const change of deps.registry.watch({ services: names }, over.signal)) {
      if (change.type === 'hold' || change.type === 'split') continue;
      const found = look();
      if (found.every(isThere)) return found;
    }
  } finally {
    timer?.cancel();
    unfollow?.();
  }
  throwIfAborted(signal);
  if (timeoutMs === undefined || !isTooLate) {
    if (deps.isAbandoned?.()) return new Promise(() => undefined);
    throw new RegistryUnavailableError(`The app shuts down: the wait for ${names.join(', ')} is over`);
  }
  const found = look();
  if (found.every(isThere)) return found;
  const missing = found.flatMap((one, index): MissingService[] =>
    isThere(one) ? [] : [{ service: names[index] ?? '', reason: one() + describeStaleness(deps.registry) }],
  );
  throw new ServiceNotReadyError(timeoutMs, missing, deps.hint?.());
}

function resolveOptions(
  names: readonly string[],
  options: WaitForServiceOptions,
): Wanted & { timeoutMs: number | undefined; signal: AbortSignal | undefined } {
  const check = new OptionValidator('waitForService');
  for (const { path, value, expected } of findServiceNamesProblems(names, 'serviceNames')) {
    check.problem(path, value, expected);
  }
  const given = check.options('', options, DEFAULT_WAIT_FOR_SERVICE_OPTIONS, ['signal', 'criteria']);
  const { signal, criteria = NO_CRITERIA } = given;
  check.optionalSignal('signal', signal);
  check.problems.push(...findCriteriaProblems(criteria, check.pathOf('criteria'), DISCOVERY_NAMES));
  const resolved = {
    signal,
    criteria,
    timeoutMs: given.timeout === false ? undefined : check.duration('timeout', given.timeout, { maxMs: 86_400_000 }),
    status: check.oneOf('status', given.status, ['healthy', 'discoverable'] as const),
    minInstances: check.number('minInstances', given.minInstances, { min: 1, integer: true }),
  };
  check.throwIfAny();
  return resolved;
}

function isThere(found: ServiceInstance | Reason): found is ServiceInstance {
  return typeof found !== 'function';
}

function find(
  deps: ServiceWaitDeps,
  name: string,
  { status, minInstances, criteria }: Wanted,
): ServiceInstance | Reason {
  let instances: readonly ServiceInstance[];
  try {
    instances = deps.registry.servedInstances(name);
  } catch (error) {
    return () => messageOf(error);
  }
  if (instances.length === 0) return () => describeAbsence(deps.registry, name);
  const because =
    (lacking: string): Reason =>
    () =>
      describeInstances(instances, criteria, lacking);
  const isWanted = (instance: ServiceInstance): boolean => status === 'discoverable' || instance.status === 'healthy';
  const wanted = new Set(selectServing(instances, criteria).filter(isWanted));
  if (wanted.size === 0) return because(`none ${status}`);
  if (wanted.size < minInstances) return because(`${wanted.size} of ${minInstances} ${status}`);
  const exclude = new Set(instances.filter((one) => !wanted.has(one)).map(({ instanceId }) => instanceId));
  const chosen = deps.choose(name, instances, { ...criteria, exclude });
  if (typeof chosen === 'string') return because(chosen);
  return !exclude.has(chosen.instanceId) ? chosen : because(`no calls go to the ${status} ones`);
}
