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
  ADAPTIVE_LIMIT_OPTIONS,
  BULKHEAD_OPTIONS,
  CIRCUIT_BREAKER_OPTIONS,
  CLIENT_THROTTLE_OPTIONS,
  HEDGING_OPTIONS,
  LAST_GOOD_OPTIONS,
  OUTLIER_DETECTION_OPTIONS,
  RATE_LIMITER_OPTIONS,
  RETRY_OPTIONS,
  type RetryOptions,
} from '../../resilience/index.js';
import { resolveCallChaosOptions } from './chaos-options.js';

/** Options that are groups of values; `false` disables the stage. */
export interface PolicyOptions {
  /**
   * A circuit breaker per instance, which excludes it from picks after repeated failures. False: none.
   * @default 5 consecutive failures open it for 60 s
   */
  circuitBreaker?: Partial<CircuitBreakerOptions> | false;
  /** A circuit breaker for the service as a whole; counts the final outcome of calls, after retries. @default false */
  serviceCircuitBreaker?: Partial<CircuitBreakerOptions> | false;
  /** Compares the instances of a service and avoids those that perform worse for a while. @default false */
  outlierDetection?: Partial<OutlierDetectionOptions> | false;
  /**
   * Retries failed attempts if the request may be sent twice: at once on another instance if there is one, else after a
   * backoff with jitter. A budget bounds the share of retries. False: a single attempt.
   * @default 3 attempts in all, 1 s base delay
   */
  retry?: Partial<RetryOptions> | false;
  /**
   * Sends a second attempt to another instance while a slow one is under way, if the request may be sent twice. Hedges
   * spend the retry budget and count towards `retry.maxAttempts`.
   * @default false
   */
  hedging?: Partial<HedgingOptions> | false;
  /** Limits concurrent calls of this process to a service; further calls wait or are refused. @default false */
  bulkhead?: Partial<BulkheadOptions> | false;
  /** Limits concurrent calls of this process to a service to what the service is measured to handle. @default false */
  adaptiveConcurrency?: Partial<AdaptiveLimitOptions> | false;
  /** Limits the rate of calls from this process to a service: `{ rate: 100, per: '1s' }`. @default false */
  rateLimit?: Partial<RateLimiterOptions> | false;
  /** Drops a fraction of calls before they are sent while the service refuses too many. @default false */
  throttling?: Partial<ClientThrottleOptions> | false;
  /**
   * Answers a failed GET with the last good response to the same request, up to a maximum age; keeps those responses in
   * memory. Requests are compared as for `coalescing`.
   * @default false
   */
  lastGood?: Partial<LastGoodOptions> | false;
  /**
   * Injects faults into attempts, for tests. An `outcome` is a response: `{ status?, headers?, body? }`. @default false
   */
  chaos?: ChaosOptions | false;
}

/** Validates each group and applies its defaults. */
const POLICIES = {
  circuitBreaker: CIRCUIT_BREAKER_OPTIONS,
  serviceCircuitBreaker: CIRCUIT_BREAKER_OPTIONS,
  outlierDetection: OUTLIER_DETECTION_OPTIONS,
  retry: RETRY_OPTIONS,
  hedging: HEDGING_OPTIONS,
  bulkhead: BULKHEAD_OPTIONS,
  adaptiveConcurrency: ADAPTIVE_LIMIT_OPTIONS,
  rateLimit: RATE_LIMITER_OPTIONS,
  throttling: CLIENT_THROTTLE_OPTIONS,
  lastGood: LAST_GOOD_OPTIONS,
  chaos: { resolve: resolveCallChaosOptions },
} as const satisfies Record<keyof PolicyOptions, { readonly resolve: (options: never, path: string) => object }>;

export type PolicyName = keyof typeof POLICIES;
export const POLICY_NAMES = Object.keys(POLICIES) as readonly PolicyName[];

/** The groups with defaults applied; null if the stage is disabled. */
export type ResolvedPolicies = { readonly [Name in PolicyName]: ReturnType<(typeof POLICIES)[Name]['resolve']> | null };

/**
 * Validates one group.
 * @throws InvalidConfigurationError listing every wrong value
 */
export function resolvePolicy<Name extends PolicyName>(
  name: Name,
  given: PolicyOptions[Name] | undefined,
  path: string,
): ResolvedPolicies[Name] {
  const resolve = POLICIES[name].resolve as (options: object | undefined, path: string) => ResolvedPolicies[Name];
  return given === false ? null : resolve(given, path);
}
