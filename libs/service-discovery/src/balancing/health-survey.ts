import { type ServiceInstance } from '../model/index.js';
import { type ResolvedLoadBalancingOptions } from './resolve-load-balancing-options.js';

/** How a service's instances are, as a whole. Shares are by weight. */
export interface HealthSurvey {
  /** The share of those on duty that are well; 1 where none is on duty. */
  readonly healthyShare: number;
  /** Whether so few are well that the service counts as unavailable. */
  readonly isTooFew: boolean;
  /** Whether those that have not been checked yet stand behind healthy ones. */
  readonly isUncheckedBehind: boolean;
}

/** @param isWell whether an instance on duty can be expected to answer */
export function surveyHealth(
  onDuty: readonly ServiceInstance[],
  isWell: (instance: ServiceInstance) => boolean,
  { minimumHealthyShare, uncheckedThreshold }: ResolvedLoadBalancingOptions,
): HealthSurvey {
  let all = 0;
  let well = 0;
  let serving = 0;
  let healthy = 0;
  for (const instance of onDuty) {
    const { status, weight } = instance;
    all += weight;
    if (isWell(instance)) well += weight;
    if (status === 'unhealthy') continue;
    serving += weight;
    if (status === 'healthy') healthy += weight;
  }
  const healthyShare = all === 0 ? 1 : well / all;
  return {
    healthyShare,
    isTooFew: minimumHealthyShare > 0 && healthyShare <= minimumHealthyShare,
    isUncheckedBehind: healthy > 0 && healthy >= uncheckedThreshold * serving,
  };
}

/** Whether an instance is meant to take calls, well or not: an operator's word holds whatever else happens. */
export function isOnDuty({ status, weight }: ServiceInstance): boolean {
  return weight > 0 && status !== 'draining' && status !== 'maintenance';
}
