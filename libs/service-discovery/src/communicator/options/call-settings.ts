import { OptionValidator } from '../../common/index.js';
import {
  type LoadBalancing,
  type NamedStrategies,
  resolveLoadBalancing,
  type ResolvedLoadBalancingOptions,
  LOAD_BALANCING_OPTIONS,
  strategyName,
} from '../../balancing/index.js';
import { type CommunicatorOptions, DEFAULT_COMMUNICATOR_OPTIONS } from './communicator-options.js';
import { mergeOptions } from './merge-options.js';
import { POLICY_NAMES, resolvePolicy, type ResolvedPolicies } from './policies.js';
import { TIMEOUT_RANGE, WAIT_RANGE } from './validate-options.js';

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

/** Resolved settings of a call: defaults applied, validated, in milliseconds. */
export interface CallSettings extends CallTimes, ResolvedPolicies {
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
  readonly coalescing: boolean;
  /** 0: does not wait. */
  readonly waitForFirstMs: number;
}

/**
 * Resolves options that were merged over the defaults.
 * @throws InvalidConfigurationError if the merged options contradict each other
 */
export function toSettings(options: CommunicatorOptions, strategies?: NamedStrategies): CallSettings {
  const merged = mergeOptions(DEFAULT_COMMUNICATOR_OPTIONS, options);
  const check = new OptionValidator();
  const timeoutMs = check.duration('timeout', merged.timeout, TIMEOUT_RANGE);
  const attemptTimeoutMs = check.duration('attemptTimeout', merged.attemptTimeout, TIMEOUT_RANGE);
  const { waitForFirst } = merged;
  const waitForFirstMs = waitForFirst === false ? 0 : check.duration('waitForFirst', waitForFirst, WAIT_RANGE);
  const policies = Object.fromEntries(
    POLICY_NAMES.map((name) => [name, check.gather(() => resolvePolicy(name, merged[name], name)) ?? null]),
  ) as ResolvedPolicies;
  const strategy = merged.loadBalancing ?? DEFAULT_COMMUNICATOR_OPTIONS.loadBalancing;
  const balancing = check.gather(() => resolveLoadBalancing(strategy, { strategies }));
  check.throwIfAny();
  return {
    ...policies,
    strategy,
    balancing: balancing?.options ?? LOAD_BALANCING_OPTIONS.resolve(),
    strategyName: strategyName(strategy),
    timeoutMs,
    // An attempt timeout from an earlier layer does not contradict a shorter timeout of a later one.
    attemptTimeoutMs: Math.min(attemptTimeoutMs, timeoutMs),
    // One that is longer than the call limits nothing, so it asks for nothing either.
    leavesRoom: options.attemptTimeout === undefined || attemptTimeoutMs > timeoutMs,
    breakerKey: JSON.stringify(policies.circuitBreaker),
    serviceBreakerKey: JSON.stringify(policies.serviceCircuitBreaker),
    concurrency:
      merged.concurrency === false ? Number.POSITIVE_INFINITY : (merged.concurrency ?? Number.POSITIVE_INFINITY),
    coalescing: merged.coalescing ?? false,
    waitForFirstMs,
  };
}
