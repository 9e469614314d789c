import { counted } from '../../common/index.js';
import { type ServiceInstance, statusInWords } from '../../model/index.js';
import { type PickContext, type SelectionCriteria } from '../load-balancer.js';
import { tagsOf } from './criteria.js';
import { select, selectMatching } from './eligibility.js';
import {
  type BalancingExplanation,
  type FilterStage,
  type InstanceExplanation,
  type UnavailableReason,
  WHY_UNAVAILABLE,
} from './explanation.js';
import { type Preferences } from './preferences.js';

/** What a balancer knows of an instance apart from the filters. */
type Measures = Pick<InstanceExplanation, 'weight' | 'slowStart' | 'active' | 'latencyMs'>;

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

/**
 * Why no instance can take a call, for people: with how the instances are that match, and what the latest check of an
 * unhealthy one found, such as `3 instances, all unhealthy: status 403 at /health/ready`.
 * @throws ServiceDiscoveryError `INVALID_REQUEST` when `criteria.version` is no semver range
 */
export function describeUnavailable(
  reason: UnavailableReason,
  instances: readonly ServiceInstance[],
  criteria: SelectionCriteria = {},
): string {
  const why = WHY_UNAVAILABLE[reason];
  const { protocol } = criteria;
  if (
    reason === 'no_match' &&
    protocol !== undefined &&
    instances.every((instance) => instance.protocol !== protocol)
  ) {
    const spoken = [...new Set(instances.map((instance) => instance.protocol))].sort().join(', ');
    return `none is registered with ${protocol}, which was asked for: register it so, or ask for ${spoken}`;
  }
  if (reason !== 'none_healthy' && reason !== 'too_few_healthy') return why;
  const matching = selectMatching(instances, { ...criteria, tags: tagsOf(criteria) });
  if (matching.length === 0) return why;
  return reason === 'none_healthy' ? describeStates(matching) : `${why}: ${describeStates(matching)}`;
}

function describeStates(instances: readonly ServiceInstance[]): string {
  const counts = new Map<string, number>();
  for (const instance of instances) counts.set(stateOf(instance), (counts.get(stateOf(instance)) ?? 0) + 1);
  const found = latestReason(instances);
  const count = counted(instances.length, 'instance');
  const [only] = counts.keys();
  if (counts.size === 1) {
    const all = instances.length === 1 ? only : `all ${only}`;
    return `${count}, ${all}${only === UNHEALTHY && found !== undefined ? `: ${found}` : ''}`;
  }
  const states = [...counts].map(([state, number]) => {
    const detail = state === UNHEALTHY && found !== undefined ? ` (${found})` : '';
    return `${number} ${state}${detail}`;
  });
  return `${count}: ${states.join(', ')}`;
}

const UNHEALTHY = 'unhealthy';

function stateOf({ status, weight }: ServiceInstance): string {
  if (weight === 0) return 'of weight 0';
  return status === 'unknown' ? 'not checked yet' : statusInWords(status);
}

/** What the latest check of an unhealthy instance found; undefined where none said. */
function latestReason(instances: readonly ServiceInstance[]): string | undefined {
  const checks = instances.flatMap(({ status, weight, health }) =>
    status === UNHEALTHY && weight > 0 && health?.reason !== undefined ? [health] : [],
  );
  return checks.sort((one, other) => other.checkedAt - one.checkedAt)[0]?.reason;
}
