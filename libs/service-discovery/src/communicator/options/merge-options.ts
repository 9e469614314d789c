import { mergeLoadBalancing } from '../../balancing/index.js';
import { isRecord, msOf, withoutUndefined } from '../../common/index.js';
import { type CommunicatorOptions } from './communicator-options.js';
import { POLICY_NAMES } from './policies.js';

type Values = Readonly<Record<string, unknown>>;

/** Durations of which the first may not be longer than the second. */
const BOUNDS: readonly (readonly [group: string, value: string, bound: string])[] = [
  ['retry', 'baseDelay', 'maxDelay'],
  ['circuitBreaker', 'recoveryTimeout', 'maxRecoveryTimeout'],
  ['serviceCircuitBreaker', 'recoveryTimeout', 'maxRecoveryTimeout'],
  ['outlierDetection', 'ejectionTime', 'maxEjectionTime'],
];

/**
 * Later layers win, option by option; inside of `loadBalancing` and of the policies, value by value. Where a layer changes
 * one of two values that bound each other, the one from below gives way: which layers meet, tiers decide at a call, and
 * layers that are right by themselves must not make that fail.
 */
export function mergeOptions(...layers: readonly (CommunicatorOptions | undefined)[]): CommunicatorOptions {
  const merged: Record<string, unknown> = {};
  for (const layer of layers) {
    if (!layer) continue;
    const loadBalancing = mergeLoadBalancing((merged as CommunicatorOptions).loadBalancing, layer.loadBalancing);
    for (const [option, value] of Object.entries(layer) as [string, unknown][]) {
      if (value === undefined) continue;
      const isPolicy = (POLICY_NAMES as readonly string[]).includes(option) && isRecord(value);
      merged[option] = isPolicy ? overlayGroup(option, asRecord(merged[option]), value) : value;
    }
    if (loadBalancing !== undefined) merged.loadBalancing = loadBalancing;
  }
  return merged;
}

/** Lays the values of a group over those of a weaker layer; see {@link mergeOptions} for values that bound each other. */
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
