import {
  baseUrlOf,
  type ExpiryHold,
  type InstanceStatus,
  mayBeCalled,
  type ServiceInstance,
  type Tier,
} from '../../model/index.js';
import { mergedStatus, type PassiveFinding, reasonsOf, type StatusContext } from '../status-merge.js';
import { type AggregatedStatus, type InstanceHealth, type ServiceHealth } from './aggregated-health.js';

const NONE: readonly string[] = [];

/** Status of one service, computed once per change of the service. */
export class ServiceStatus {
  readonly status: AggregatedStatus;
  /** Whether no instance is healthy and none is unchecked and may be called. */
  readonly isLost: boolean;
  private knownDependencies: readonly string[] | undefined;
  private knownTags: ReadonlySet<string> | undefined;
  private knownTiers: ReadonlySet<Tier | undefined> | undefined;

  /** @param findings what calls found, by instance id */
  constructor(
    readonly instances: readonly ServiceInstance[],
    readonly findings: ReadonlyMap<string, PassiveFinding>,
  ) {
    const statuses = instances.map((instance) => mergedStatus(instance, findings.get(instance.instanceId)));
    const isChecked = instances.some(
      ({ instanceId, healthStatus }) => healthStatus !== 'unknown' || findings.has(instanceId),
    );
    this.status = isChecked ? statusOf(statuses) : 'unknown';
    this.isLost = this.status === 'unhealthy' || (this.status === 'unknown' && !statuses.includes('unknown'));
  }

  /** The services that any of its instances declares to call, except itself. */
  get dependencies(): readonly string[] {
    return (this.knownDependencies ??= dependenciesOf(this.instances));
  }

  /** The tags of all its instances. */
  get tags(): ReadonlySet<string> {
    return (this.knownTags ??= new Set(this.instances.flatMap(({ tags }) => tags)));
  }

  /** The tiers that its instances declare. */
  get tiers(): ReadonlySet<Tier | undefined> {
    return (this.knownTiers ??= new Set(this.instances.map(({ tier }) => tier)));
  }
}

/** Whether the change of an instance may change its service's {@link ServiceStatus}. */
export function mayChangeStatus(before: ServiceInstance | undefined, after: ServiceInstance): boolean {
  return (
    before?.generation !== after.generation ||
    before.status !== after.status ||
    before.healthStatus !== after.healthStatus
  );
}

function dependenciesOf(instances: readonly ServiceInstance[]): readonly string[] {
  let names: Set<string> | undefined;
  for (const { dependencies, serviceName } of instances) {
    for (const name of dependencies ?? NONE) if (name !== serviceName) (names ??= new Set()).add(name);
  }
  return names ? [...names] : NONE;
}

/** Status of a service with at least one checked instance; see {@link AggregatedStatus}. */
function statusOf(statuses: readonly InstanceStatus[]): AggregatedStatus {
  if (!statuses.includes('healthy')) return 'unhealthy';
  return statuses.includes('unhealthy') ? 'degraded' : 'healthy';
}

export function describeService(
  instances: readonly ServiceInstance[],
  { status, dependencies, findings }: Pick<ServiceStatus, 'status' | 'dependencies' | 'findings'>,
  expiryHeld: ExpiryHold | null,
  now: number,
): ServiceHealth {
  const described = instances.map((instance) =>
    describeInstance(instance, { hold: expiryHeld, finding: findings.get(instance.instanceId), now }),
  );
  const ranks = described.map((one, index) => rankOf(one, instances[index]!, findings.has(one.instanceId)));
  const shown = described[ranks.indexOf(Math.min(...ranks))]!;
  return {
    status,
    endpoint: shown.endpoint,
    lastHeartbeat: shown.lastHeartbeat,
    healthData: shown.healthData,
    expiryHeld,
    dependencies,
    affectedBy: NONE,
    instances: described,
  };
}

/**
 * The instance with the lowest rank represents its service; the first one wins a tie. A healthy instance whose latest
 * check reported a problem ranks after those without one. An instance that calls found failing ranks after all others
 * that may be called: it may be gone although its status does not show it yet.
 */
function rankOf({ status, reason }: InstanceHealth, instance: ServiceInstance, hasFinding: boolean): number {
  if (!mayBeCalled(instance)) return status === 'unhealthy' && instance.weight > 0 ? 4 : 5;
  if (hasFinding) return 3;
  if (status === 'unknown') return 2;
  return reason === null ? 0 : 1;
}

function describeInstance(instance: ServiceInstance, context: StatusContext): InstanceHealth {
  const { instanceId, lastHeartbeat, health } = instance;
  return {
    instanceId,
    status: mergedStatus(instance, context.finding),
    reasons: reasonsOf(instance, context),
    endpoint: baseUrlOf(instance),
    lastHeartbeat,
    lastChecked: health?.checkedAt ?? null,
    latencyMs: health?.latencyMs ?? null,
    statusCode: health?.statusCode ?? null,
    reason: health?.reason ?? null,
    flapping: health?.flapping ?? false,
    healthData: health?.data ?? null,
  };
}
