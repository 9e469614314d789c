import { isRecord, msOf, oneOfNames, InvalidConfigurationError, withoutUndefined } from '../../common/index.js';
import { type CommunicatorOptions, overlayGroup, type Patterns, resolvePatterns } from '../../communicator/index.js';
import { resolveResiliencePolicyOptions, type ResiliencePolicyOptions } from '../../resilience/index.js';

/** The module's call settings, as defaults of decorated methods. */
export interface MethodDefaults {
  /** Settings from options, environment and preset; the library's defaults are left out. */
  readonly defaults: CommunicatorOptions;
  readonly patterns: Patterns;
}

export const NO_DEFAULTS: MethodDefaults = { defaults: {}, patterns: resolvePatterns() };

/** The decorator's own policy options. */
export interface OwnPolicyOptions extends Omit<ResiliencePolicyOptions, 'fallback'> {
  readonly pattern?: string;
}

/** Stages that a method gets if the module's settings enable them. */
const ANYWAY = [
  'timeout',
  'attemptTimeout',
  'circuitBreaker',
  'rateLimit',
  'throttling',
  'bulkhead',
  'adaptiveConcurrency',
] as const;
/** Stages that run a method more than once or share its result: only the author knows whether that is safe. */
const ASKED_FOR = ['retry', 'hedging', 'coalescing', 'lastGood'] as const;

/**
 * The policy of a method: its own options, over its pattern, over the module's settings.
 * @throws InvalidConfigurationError naming every wrong option
 */
export function methodPolicy(
  { pattern: asked, ...own }: OwnPolicyOptions,
  { defaults, patterns }: MethodDefaults,
): ResiliencePolicyOptions {
  const name = asked ?? defaults.pattern;
  const pattern = name === undefined ? undefined : patterns.get(name);
  if (name !== undefined && !pattern) throw unknownPattern(name, patterns);
  const merged = mergeLayers(defaults, pattern, own);
  if (own.bulkhead === undefined && !merged.bulkhead && typeof merged.concurrency === 'number') {
    merged.bulkhead = { maxConcurrent: merged.concurrency };
  }
  // If only one of the two is the method's own, the other one adapts.
  const bothOwn = own.timeout !== undefined && own.attemptTimeout !== undefined;
  if (!bothOwn && msOf(merged.attemptTimeout) > msOf(merged.timeout)) delete merged.attemptTimeout;
  const isAskedFor = (stage: (typeof ASKED_FOR)[number]): boolean =>
    Boolean(own[stage] ?? (stage === 'retry' && asked !== undefined));
  const names = [...ANYWAY, ...ASKED_FOR.filter(isAskedFor)];
  const policy: ResiliencePolicyOptions = {
    circuitBreaker: {},
    ...own,
    ...Object.fromEntries(names.filter((stage) => merged[stage] !== undefined).map((stage) => [stage, merged[stage]])),
  };
  resolveResiliencePolicyOptions(policy);
  return policy;
}

/** Later layers override, value by value within groups. */
function mergeLayers(...layers: readonly (object | undefined)[]): Record<string, unknown> {
  const merged: Record<string, unknown> = {};
  for (const layer of layers) {
    for (const [option, value] of Object.entries(withoutUndefined(layer ?? {})) as [string, unknown][]) {
      const below = merged[option];
      merged[option] = isRecord(value) && isRecord(below) ? overlayGroup(option, below, value) : value;
    }
  }
  return merged;
}

function unknownPattern(name: string, patterns: Patterns): InvalidConfigurationError {
  const expected = oneOfNames(name, [...patterns.keys()]);
  return new InvalidConfigurationError([{ path: 'pattern', value: name, expected }]);
}
