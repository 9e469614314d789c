import { baseUrlOf, type ExpiryHold, type ServiceInstance } from '../../model/index.js';
import { mergedStatus, reasonsOf, type StatusContext } from '../status-merge.js';
import { type InstanceHealth, type ServiceHealth } from './aggregated-health.js';
import { type ServiceStanding } from './service-standing.js';

const NOBODY: readonly string[] = [];

export function describeService(
  instances: readonly ServiceInstance[],
  { status, dependencies, findings }: Pick<ServiceStanding, 'status' | 'dependencies' | 'findings'>,
  expiryHeld: ExpiryHold | null,
  now: number,
): ServiceHealth {
  const described = instances.map((instance) =>
    describeInstance(instance, { hold: expiryHeld, finding: findings.get(instance.instanceId), now }),
  );
  const shown = described.reduce((best, next) => (rankOf(next) < rankOf(best) ? next : best));
  return {
    status,
    endpoint: shown.endpoint,
    lastHeartbeat: shown.lastHeartbeat,
    healthData: shown.healthData,
    expiryHeld,
    dependencies,
    affectedBy: NOBODY,
    instances: described,
  };
}

/** Which instance speaks for its service: the lowest. */
function rankOf({ status }: InstanceHealth): number {
  return status === 'healthy' ? 0 : status === 'unknown' ? 1 : 2;
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
