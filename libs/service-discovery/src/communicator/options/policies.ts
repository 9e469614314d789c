import {
  type AdaptiveLimitOptions,
  type BulkheadOptions,
  type ChaosOptions,
  type CircuitBreakerOptions,
  type ClientThrottleOptions,
  type HedgingOptions,
  type LastGoodOptions,
  type OutlierDetectionOptions,
  type RateLimiterOptions,
  resolveAdaptiveLimitOptions,
  resolveBulkheadOptions,
  resolveCircuitBreakerOptions,
  resolveClientThrottleOptions,
  resolveHedgingOptions,
  resolveLastGoodOptions,
  resolveOutlierDetectionOptions,
  resolveRateLimiterOptions,
  resolveRetryOptions,
  type RetryOptions,
} from '../../resilience/index.js';
import { resolveCallChaosOptions } from './chaos-options.js';

/** The options that are a group of values each, `false` where the stage that they are for is left out. */
export interface PolicyOptions {
  /**
   * A circuit breaker for each instance, which takes it out of the choice after repeated failures. False: none.
   * @default 5 consecutive failures open it for 60 s
   */
  circuitBreaker?: Partial<CircuitBreakerOptions> | false;
  /** A circuit breaker for the service as a whole, which counts what calls come to with all their attempts. @default false */
  serviceCircuitBreaker?: Partial<CircuitBreakerOptions> | false;
  /** Compares the instances of a service, and avoids for a while those that do worse. @default false */
  outlierDetection?: Partial<OutlierDetectionOptions> | false;
  /**
   * Repeats attempts that failed where the request may be sent twice, on another instance at once where there is one, else after a
   * backoff with jitter; a budget bounds the share of retries. False: one attempt only.
   * @default 3 attempts in all, 1 s base delay
   */
  retry?: Partial<RetryOptions> | false;
  /**
   * Sends another attempt, to another instance, beside one that takes long, where the request may be sent twice. The
   * retry budget pays for it, and `retry.maxAttempts` counts it.
   * @default false
   */
  hedging?: Partial<HedgingOptions> | false;
  /** Limits the calls of this process to a service that run at once; further ones wait, or are refused. @default false */
  bulkhead?: Partial<BulkheadOptions> | false;
  /** Limits the calls of this process to a service that run at once to as many as the service is found to handle. @default false */
  adaptiveConcurrency?: Partial<AdaptiveLimitOptions> | false;
  /** Limits how many calls this process makes to a service within a time: `{ rate: 100, per: '1s' }`. @default false */
  rateLimit?: Partial<RateLimiterOptions> | false;
  /** Drops a share of the calls before they are sent while the service refuses too many. @default false */
  throttling?: Partial<ClientThrottleOptions> | false;
  /**
   * Answers a GET that failed with the last good answer to the same request, as long as that is not too old; so the
   * answers of all GETs are held in memory. What it goes by is that of `coalescing`.
   * @default false
   */
  lastGood?: Partial<LastGoodOptions> | false;
  /** Makes attempts go wrong on purpose, for tests. An `outcome` is a response: `{ status?, headers?, body? }`. @default false */
  chaos?: ChaosOptions | false;
}

/** What checks each group, and fills in its defaults. */
const POLICIES = {
  circuitBreaker: resolveCircuitBreakerOptions,
  serviceCircuitBreaker: resolveCircuitBreakerOptions,
  outlierDetection: resolveOutlierDetectionOptions,
  retry: resolveRetryOptions,
  hedging: resolveHedgingOptions,
  bulkhead: resolveBulkheadOptions,
  adaptiveConcurrency: resolveAdaptiveLimitOptions,
  rateLimit: resolveRateLimiterOptions,
  throttling: resolveClientThrottleOptions,
  lastGood: resolveLastGoodOptions,
  chaos: resolveCallChaosOptions,
} as const satisfies Record<keyof PolicyOptions, (options: never, path: string) => object>;

export type PolicyName = keyof typeof POLICIES;
export const POLICY_NAMES = Object.keys(POLICIES) as readonly PolicyName[];

/** The groups with every default filled in; null where the stage is left out. */
export type ResolvedPolicies = { readonly [Name in PolicyName]: ReturnType<(typeof POLICIES)[Name]> | null };

/**
 * Checks one group.
 * @throws InvalidConfigurationError naming every wrong value
 */
export function resolvePolicy<Name extends PolicyName>(
  name: Name,
  given: PolicyOptions[Name] | undefined,
  path: string,
): ResolvedPolicies[Name] {
  const resolve = POLICIES[name] as (options: object | undefined, path: string) => ResolvedPolicies[Name];
  return given === false ? null : resolve(given, path);
}
