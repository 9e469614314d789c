import { baseUrlOf, type ExpiryHold, mayBeCalled, type ServiceInstance } from '../../model/index.js';
import { mergedStatus, reasonsOf, type StatusContext } from '../status-merge.js';
import { type InstanceHealth, type ServiceHealth } from './aggregated-health.js';
import { type ServiceStatus } from './service-status.js';

const NONE: readonly string[] = [];

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
