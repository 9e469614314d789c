import { type InstanceStatus, type ServiceInstance, type Tier } from '../../model/index.js';
import { type PassiveFinding } from '../passive-health.js';
import { mergedStatus } from '../status-merge.js';
import { type AggregatedStatus } from './aggregated-health.js';

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
