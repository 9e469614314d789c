import { type LoadBalancing, mergeLoadBalancing } from '../../balancing/index.js';
import { type AnyOptionGroup, isRecord, msOf, withoutUndefined } from '../../common/index.js';
import { COMMUNICATOR_OPTIONS, type CommunicatorOptions } from './communicator-options.js';

type Values = Readonly<Record<string, unknown>>;

/** Pairs of durations in which the first must not exceed the second. */
const BOUNDS: readonly (readonly [group: string, value: string, bound: string])[] = [
  ['retry', 'baseDelay', 'maxDelay'],
  ['circuitBreaker', 'recoveryTimeout', 'maxRecoveryTimeout'],
  ['serviceCircuitBreaker', 'recoveryTimeout', 'maxRecoveryTimeout'],
  ['outlierDetection', 'ejectionTime', 'maxEjectionTime'],
];

/**
 * Merges layers, later ones override: option by option, and value by value within `loadBalancing` and the policies. If
 * a layer changes one of two values that bound each other, the other one adapts: which layers meet depends on the tier
 * of the called service, and layers that are valid by themselves must not fail together.
 */
export function mergeOptions(...layers: readonly (CommunicatorOptions | undefined)[]): CommunicatorOptions {
  const merged: Record<string, unknown> = {};
  const { options }: AnyOptionGroup = COMMUNICATOR_OPTIONS;
  for (const layer of layers) {
    if (!layer) continue;
    const loadBalancing = mergeLoadBalancing(merged.loadBalancing as LoadBalancing | undefined, layer.loadBalancing);
    for (const [option, value] of Object.entries<unknown>(layer)) {
      if (value === undefined) continue;
      const { inner } = options[option] ?? {};
      merged[option] = inner && isRecord(value) ? overlayGroup(option, asRecord(merged[option]), value) : value;
    }
    if (loadBalancing !== undefined) merged.loadBalancing = loadBalancing;
  }
  return merged;
}

/** Merges a group over that of a lower layer; see {@link mergeOptions} for values that bound each other. */
export function overlayGroup(group: string, below: Values = {}, given: Values): Values {
  const above = withoutUndefined(given);
  const merged: Record<string, unknown> = { ...below, ...above };
  for (const [of, value, bound] of BOUNDS) {
    if (of !== group || !(msOf(merged[value]) > msOf(merged[bound]))) continue;
    if (above[bound] === undefined) merged[bound] = merged[value];
    else if (above[value] === undefined) merged[value] = merged[bound];
  }
  return merged;
}

function asRecord(value: unknown): Values | undefined {
  return isRecord(value) ? value : undefined;
}
