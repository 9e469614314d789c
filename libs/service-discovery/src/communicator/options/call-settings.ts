import {
  type LoadBalancing,
  type NamedStrategies,
  resolveLoadBalancing,
  type ResolvedLoadBalancingOptions,
  strategyName,
} from '../../balancing/index.js';
import {
  COMMUNICATOR_OPTIONS,
  type CommunicatorOptions,
  type ResolvedCommunicatorOptions,
} from './communicator-options.js';
import { mergeOptions } from './merge-options.js';

/** Timeouts of a call, in milliseconds. */
export interface CallTimes {
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
  /**
   * Whether an attempt should leave time for another one: true if `attemptTimeout` is the default, or longer than the
   * call, since both suit longer calls.
   */
  readonly leavesRoom: boolean;
}

/** The options whose settings have another name or form. */
type Converted = 'loadBalancing' | 'timeout' | 'attemptTimeout' | 'concurrency' | 'waitForFirst' | 'pattern' | 'mesh';

/** Resolved settings of a call: defaults applied, validated, in milliseconds. */
export interface CallSettings extends CallTimes, Omit<ResolvedCommunicatorOptions, Converted> {
  readonly strategy: LoadBalancing;
  /** Balancing options besides the strategy. */
  readonly balancing: ResolvedLoadBalancingOptions;
  readonly strategyName: string;
  /** Equal for equal breaker settings: communicators with the same key share breakers. */
  readonly breakerKey: string;
  /** The same for the breaker of the service as a whole. */
  readonly serviceBreakerKey: string;
  /** Infinity: no limit. */
  readonly concurrency: number;
  /** 0: does not wait. */
  readonly waitForFirstMs: number;
}

/** The stages that a sidecar takes over. */
const LEFT_TO_THE_MESH = {
  retry: false,
  hedging: false,
  circuitBreaker: false,
  outlierDetection: false,
  concurrency: false,
} as const satisfies CommunicatorOptions;

/**
 * Resolves options that were merged over the defaults.
 * @throws InvalidConfigurationError if the merged options contradict each other
 */
export function toSettings(given: CommunicatorOptions, strategies?: NamedStrategies): CallSettings {
  const merged = Object.entries(mergeOptions(COMMUNICATOR_OPTIONS.defaults, given));
  // A layer may have more: `patterns`, or the `description` of a pattern.
  const known = merged.filter(([name]) => COMMUNICATOR_OPTIONS.names.includes(name));
  const {
    loadBalancing,
    timeout,
    attemptTimeout,
    concurrency,
    waitForFirst,
    pattern: _applied,
    mesh,
    ...settings
  } = COMMUNICATOR_OPTIONS.resolve({ ...Object.fromEntries(known), ...(given.mesh && LEFT_TO_THE_MESH) });
  return {
    ...settings,
    strategy: loadBalancing,
    balancing: resolveLoadBalancing(loadBalancing, { strategies }).options,
    strategyName: strategyName(loadBalancing),
    timeoutMs: timeout,
    // An attempt timeout from an earlier layer does not contradict a shorter timeout of a later one.
    attemptTimeoutMs: mesh ? timeout : Math.min(attemptTimeout, timeout),
    // An attempt timeout above that of the call has no effect, so it does not ask for room for another attempt.
    leavesRoom: !mesh && (given.attemptTimeout === undefined || attemptTimeout > timeout),
    breakerKey: JSON.stringify(settings.circuitBreaker),
    serviceBreakerKey: JSON.stringify(settings.serviceCircuitBreaker),
    concurrency: concurrency === false ? Number.POSITIVE_INFINITY : concurrency,
    waitForFirstMs: waitForFirst === false ? 0 : waitForFirst,
  };
}
