import { baseUrlOf, type ExpiryHold, type ServiceInstance } from '../../model/index.js';
import { type InstanceHealth, type ServiceHealth } from './aggregated-health.js';
import { type ServiceStanding } from './service-standing.js';

const NOBODY: readonly string[] = [];

export function describeService(
  instances: readonly ServiceInstance[],
  { status, dependencies }: Pick<ServiceStanding, 'status' | 'dependencies'>,
  expiryHeld: ExpiryHold | null,
): ServiceHealth {
  const described = instances.map(describeInstance);
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

function describeInstance(instance: ServiceInstance): InstanceHealth {
  const { instanceId, status, lastHeartbeat, health } = instance;
  return {
    instanceId,
    status,
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
