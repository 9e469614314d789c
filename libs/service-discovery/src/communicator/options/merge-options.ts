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
      const isPolicy = (POLICY_NAMES as readonly string[]).includes(option);
      merged[option] =
        isPolicy && value !== false ? { ...asObject(merged[option]), ...withoutUndefined(value) } : value;
    }
    if (loadBalancing !== undefined) merged.loadBalancing = loadBalancing;
  }
  return merged;
}

function asObject(value: unknown): object | undefined {
  return typeof value === 'object' && value !== null ? value : undefined;
}

/** What is undefined says nothing, and leaves what is there. */
function withoutUndefined(value: unknown): object {
  return Object.fromEntries(Object.entries(value as object).filter(([, own]) => own !== undefined));
}
