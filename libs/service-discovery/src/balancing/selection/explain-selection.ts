import { type ServiceInstance } from '../../model/index.js';
import { type PickContext } from '../load-balancer.js';
import { select } from './eligibility.js';
import { type BalancingExplanation, type FilterStage, type InstanceExplanation } from './explanation.js';
import { type Preferences } from './preferences.js';

/** What a balancer knows of an instance apart from the filters. */
export type Measures = Pick<InstanceExplanation, 'weight' | 'slowStart' | 'active' | 'latencyMs'>;

/** Explains what a pick would do with each instance. */
export function explainSelection(
  instances: readonly ServiceInstance[],
  context: PickContext,
  preferences: Preferences,
  measure: (instance: ServiceInstance) => Measures,
): Omit<BalancingExplanation, 'strategy'> {
  const leftOut = new Map<ServiceInstance, { stage: FilterStage; reason: string }>();
  const selected = select(instances, context, preferences, (instance, stage, reason) => {
    leftOut.set(instance, { stage, reason });
  });
  const shares = new Map<ServiceInstance, number>();
  if (selected.kind === 'selected') {
    for (const { members, share } of selected.pools) for (const member of members) shares.set(member, share);
  }
  return {
    unavailable: selected.kind === 'unavailable' ? selected.reason : undefined,
    healthyShare: selected.survey?.healthyShare ?? 1,
    panic: selected.isPanic,
    failOpen: selected.kind === 'selected' && selected.isFailOpen,
    instances: instances.map((instance) => {
      const { instanceId, status } = instance;
      const poolShare = shares.get(instance);
      const why = poolShare === undefined ? leftOut.get(instance) : undefined;
      return { instanceId, status, taken: poolShare !== undefined, ...why, poolShare, ...measure(instance) };
    }),
  };
}
