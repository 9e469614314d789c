import { mergeLoadBalancing } from '../../balancing/index.js';
import { type CommunicatorOptions } from './communicator-options.js';
import { POLICY_NAMES } from './policies.js';

/** Later layers win, option by option; inside of `loadBalancing` and of the policies, value by value. */
export function mergeOptions(...layers: readonly (CommunicatorOptions | undefined)[]): CommunicatorOptions {
  const merged: Record<string, unknown> = {};
  for (const layer of layers) {
    if (!layer) continue;
    const loadBalancing = mergeLoadBalancing((merged as CommunicatorOptions).loadBalancing, layer.loadBalancing);
    for (const [option, value] of Object.entries(layer) as [string, unknown][]) {
      if (value === undefined) continue;
      const isPolicy = (POLICY_NAMES as readonly string[]).includes(option) && isObject(value);
      merged[option] = isPolicy ? { ...asObject(merged[option]), ...withoutUndefined(value) } : value;
    }
    if (loadBalancing !== undefined) merged.loadBalancing = loadBalancing;
  }
  return merged;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function asObject(value: unknown): object | undefined {
  return isObject(value) ? value : undefined;
}

/** What is undefined says nothing, and leaves what is there. */
function withoutUndefined(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, own]) => own !== undefined));
}
