import { type ServiceInstance } from '../model/index.js';
import { type ResolvedLoadBalancingOptions } from './resolve-load-balancing-options.js';

/** How a service's instances are, as a whole. Shares are by weight. */
export interface HealthSurvey {
  /** The share of those on duty that are neither unhealthy nor outliers; 1 where nobody is on duty. */
  readonly healthyShare: number;
  /** Whether so few are healthy that health is minded no more. */
  readonly isPanic: boolean;
  /** Whether so few are healthy that the service counts as unavailable. */
  readonly isTooFew: boolean;
  /** Whether those that nobody has checked yet stand behind healthy ones. */
  readonly isUncheckedBehind: boolean;
}

export function surveyHealth(
  instances: readonly ServiceInstance[],
  outliers: ReadonlySet<string> | undefined,
  { panicThreshold, minimumHealthyShare, uncheckedThreshold }: ResolvedLoadBalancingOptions,
): HealthSurvey {
  let onDuty = 0;
  let able = 0;
  let serving = 0;
  let healthy = 0;
  for (const instance of instances) {
    if (!isOnDuty(instance)) continue;
    const { status, weight, instanceId } = instance;
    onDuty += weight;
    if (status === 'unhealthy') continue;
    serving += weight;
    if (status === 'healthy') healthy += weight;
    if (outliers?.has(instanceId) !== true) able += weight;
  }
  const healthyShare = onDuty === 0 ? 1 : able / onDuty;
  return {
    healthyShare,
    isPanic: healthyShare < panicThreshold,
    isTooFew: minimumHealthyShare > 0 && healthyShare <= minimumHealthyShare,
    isUncheckedBehind: healthy >= uncheckedThreshold * serving,
  };
}

/** Whether an instance is meant to take calls, well or not: an operator's word holds in a panic, too. */
export function isOnDuty({ status, weight }: ServiceInstance): boolean {
  return weight > 0 && status !== 'draining' && status !== 'maintenance';
}
