import { type ServiceInstance, type Tier } from '../../model/index.js';
import { type PassiveFinding } from '../passive-health.js';
import { mergedStatus } from '../status-merge.js';
import { type AggregatedStatus } from './aggregated-health.js';

const NONE: readonly string[] = [];

/** What a sum goes by of one service: found once, and anew only where the service changed. */
export class ServiceStanding {
  readonly status: AggregatedStatus;
  private knownDependencies: readonly string[] | undefined;
  private knownTags: ReadonlySet<string> | undefined;
  private knownTiers: ReadonlySet<Tier | undefined> | undefined;

  /** @param findings what calls found, by instance id */
  constructor(
    readonly instances: readonly ServiceInstance[],
    readonly findings: ReadonlyMap<string, PassiveFinding>,
  ) {
    this.status = statusOf(instances, findings);
  }

  /** The services that any of its instances calls, without itself. */
  get dependencies(): readonly string[] {
    return (this.knownDependencies ??= dependenciesOf(this.instances));
  }

  /** The tags of any of its instances. */
  get tags(): ReadonlySet<string> {
    return (this.knownTags ??= new Set(this.instances.flatMap(({ tags }) => tags)));
  }

  /** The tiers that any of its instances declares. */
  get tiers(): ReadonlySet<Tier | undefined> {
    return (this.knownTiers ??= new Set(this.instances.map(({ tier }) => tier)));
  }
}

/** Whether another state of an instance may be news to a {@link ServiceStanding}. */
export function isNewsOfStanding(before: ServiceInstance | undefined, after: ServiceInstance): boolean {
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

/** What the words mean stands at {@link AggregatedStatus}. */
function statusOf(
  instances: readonly ServiceInstance[],
  findings: ReadonlyMap<string, PassiveFinding>,
): AggregatedStatus {
  let [isChecked, hasHealthy, hasUnhealthy] = [false, false, false];
  for (const instance of instances) {
    const finding = findings.get(instance.instanceId);
    if (instance.healthStatus !== 'unknown' || finding) isChecked = true;
    const status = mergedStatus(instance, finding);
    if (status === 'healthy') hasHealthy = true;
    if (status === 'unhealthy') hasUnhealthy = true;
  }
  if (!isChecked) return 'unknown';
  if (!hasHealthy) return 'unhealthy';
  return hasUnhealthy ? 'degraded' : 'healthy';
}
