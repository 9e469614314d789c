import { type ServiceInstance } from '../../model/index.js';
import { type ResolvedLoadBalancingOptions } from '../load-balancing-options.js';

/** The health of a service's matching instances as a whole. Shares are by weight. */
export interface HealthSurvey {
  /** The available share of the instances in rotation; 1 if there are none. */
  readonly healthyShare: number;
  /** Whether that share is so small that the service counts as unavailable. */
  readonly isTooFew: boolean;
  /** Whether healthy instances come before those that have not been checked yet. */
  readonly isUncheckedBehind: boolean;
}

/** @param isAvailable whether an instance in rotation can be expected to answer */
export function surveyHealth(
  inRotation: readonly ServiceInstance[],
  isAvailable: (instance: ServiceInstance) => boolean,
  { minimumHealthyShare, uncheckedThreshold }: ResolvedLoadBalancingOptions,
): HealthSurvey {
  let total = 0;
  let available = 0;
  let serving = 0;
  let healthy = 0;
  for (const instance of inRotation) {
    const { status, weight } = instance;
    total += weight;
    if (isAvailable(instance)) available += weight;
    if (status === 'unhealthy') continue;
    serving += weight;
    if (status === 'healthy') healthy += weight;
  }
  const healthyShare = total === 0 ? 1 : available / total;
  return {
    healthyShare,
    isTooFew: minimumHealthyShare > 0 && healthyShare <= minimumHealthyShare,
    isUncheckedBehind: healthy > 0 && healthy >= uncheckedThreshold * serving,
  };
}

/** Whether an instance is meant to take calls, healthy or not. Panic and failing open never override an operator here. */
export function isInRotation({ status, weight }: ServiceInstance): boolean {
  return weight > 0 && status !== 'draining' && status !== 'maintenance';
}
