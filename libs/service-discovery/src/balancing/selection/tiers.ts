import { type ServiceInstance } from '../../model/index.js';
import { type PickContext, type Refusal } from '../load-balancer.js';
import { type ResolvedLoadBalancingOptions } from '../load-balancing-options.js';
import { type OnLeftOut } from './explanation.js';

/** Instances that are equally good for a call, before preferences. */
interface Tier {
  readonly members: readonly ServiceInstance[];
  /** Whether they are unhealthy and stand in because there is no other instance. */
  readonly isFailOpen: boolean;
}

/** What the tiers of a call are built from. */
export interface TierSources {
  /** Those that may be called by their health. */
  readonly serving: readonly ServiceInstance[];
  /** Those that may be called when no other can: none if the service must not fail open. */
  readonly standIns: () => readonly ServiceInstance[];
  /** Ids of instances that refused a connection a moment ago. */
  readonly unreachable: ReadonlySet<string> | undefined;
}

/** Asks which instances refuse a call, each of them once. */
export class Refusals {
  private readonly reasons = new Map<ServiceInstance, Refusal | undefined>();

  constructor(private readonly refusal: NonNullable<PickContext['refusal']>) {}

  get areAny(): boolean {
    return this.reasons.size > 0;
  }

  /** Why an instance refuses the call; undefined if it does not, or was not asked. */
  known(instance: ServiceInstance): Refusal | undefined {
    return this.reasons.get(instance);
  }

  readonly accepts = (instance: ServiceInstance): boolean => {
    if (!this.reasons.has(instance)) this.reasons.set(instance, this.refusal(instance));
    return this.reasons.get(instance) === undefined;
  };
}

/**
 * The first tier with an instance that accepts the call; undefined if there is none. Reachable comes before healthy: a
 * process that refuses connections cannot answer, one that fails its checks might.
 */
export function firstTier(
  { serving, standIns, unreachable }: TierSources,
  refusals: Refusals | undefined,
): Tier | undefined {
  if (unreachable !== undefined && unreachable.size > 0) {
    const isReachable = ({ instanceId }: ServiceInstance): boolean => !unreachable.has(instanceId);
    const reachable = tierOf(serving.filter(isReachable), () => standIns().filter(isReachable), refusals);
    if (reachable) return reachable;
  }
  return tierOf(serving, standIns, refusals);
}

/** Unhealthy instances stand in for those that cannot answer, not for those that are at capacity. */
function tierOf(
  serving: readonly ServiceInstance[],
  standIns: TierSources['standIns'],
  refusals: Refusals | undefined,
): Tier | undefined {
  const accepting = (some: readonly ServiceInstance[]): readonly ServiceInstance[] =>
    refusals ? some.filter(refusals.accepts) : some;
  const members = accepting(serving);
  if (members.length > 0) return { members, isFailOpen: false };
  if (serving.some((instance) => refusals?.known(instance) === 'at_capacity')) return undefined;
  const last = accepting(standIns());
  return last.length > 0 ? { members: last, isFailOpen: true } : undefined;
}

/** Reports why matching instances are not in the tier. */
export function explainTier(
  tier: Tier | undefined,
  matching: readonly ServiceInstance[],
  { serving, unreachable }: TierSources,
  refusals: Refusals | undefined,
  onLeftOut: OnLeftOut,
): void {
  const members = new Set(tier?.members);
  const served = new Set(serving);
  for (const instance of matching) {
    if (members.has(instance)) continue;
    const { instanceId, status, weight } = instance;
    const refusal = refusals?.known(instance);
    const isCandidate = served.has(instance) || (tier?.isFailOpen === true && isInRotation(instance));
    if (refusal !== undefined) onLeftOut(instance, 'refusal', refusal);
    else if (isCandidate && unreachable?.has(instanceId)) onLeftOut(instance, 'avoid', 'out of reach');
    else onLeftOut(instance, 'status', weight === 0 ? 'weight 0' : status);
  }
}

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
