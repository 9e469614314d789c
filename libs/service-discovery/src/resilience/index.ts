/**
 * Protects calls from failing callees, and callees from their callers: circuit breaker, retry and its budget, limits,
 * deadline, coalescing, last good answers.
 */
export { type AdaptiveLimitOptions, ADAPTIVE_LIMIT_OPTIONS } from './adaptive-concurrency/adaptive-limit-options.js';
export {
  AdaptiveConcurrencyStage,
  AdaptiveLimit,
  type AdaptiveLimitDeps,
  type AdaptiveLimitSnapshot,
  type ConcurrencyPermit,
} from './adaptive-concurrency/adaptive-limit.js';
export {
  Bulkhead,
  BULKHEAD_OPTIONS,
  type BulkheadDeps,
  type BulkheadOptions,
  type BulkheadSnapshot,
  BulkheadStage,
  type Release,
} from './bulkhead/bulkhead.js';
export { CancelScope, type TimeLimit } from './deadline/cancel-scope.js';
export { ChaosPolicy, CHAOS_OPTIONS, type ChaosOptions, type ChaosPolicyDeps } from './chaos/chaos-policy.js';
export {
  checkSlowCalls,
  CIRCUIT_BREAKER_OPTIONS,
  type CallCountWindow,
  type CircuitBreakerOptions,
  DEFAULT_IGNORED_STATUSES,
  type ResolvedCircuitBreakerOptions,
} from './circuit-breaker/circuit-breaker-options.js';
export { CircuitBreaker, type CircuitBreakerDeps } from './circuit-breaker/circuit-breaker.js';
export { type CircuitPermit } from './circuit-breaker/circuit-permits.js';
export {
  type CircuitSnapshot,
  type CircuitStateChange,
  type CircuitWindow,
  FORCED_CIRCUITS,
  type ForcedCircuit,
  reportCircuit,
  wayOutOfOpenCircuit,
} from './circuit-breaker/circuit-view.js';
export {
  OUTLIER_DETECTION_OPTIONS,
  type FailurePercentageOptions,
  type LatencyOptions,
  type OutlierDetectionOptions,
  type OutlierSample,
  type ResolvedOutlierDetectionOptions,
  type SuccessRateOptions,
} from './outliers/outlier-detection-options.js';
export {
  type Ejection,
  OutlierDetector,
  type OutlierDetectorDeps,
  type OutlierListener,
  type OutlierSnapshot,
  type OutlierView,
  reportOutliers,
} from './outliers/outlier-detector.js';
export {
  classifyAbort,
  classifyError,
  classifyStatus,
  DEFAULT_RETRYABLE_STATUSES,
  ERROR_STATUSES_EXPECTED,
  type ErrorClassifier,
  includesStatus,
  isErrorStatusList,
  reasonOf,
} from './classify.js';
export {
  CLIENT_THROTTLE_OPTIONS,
  ClientThrottle,
  type ClientThrottleDeps,
  type ClientThrottleOptions,
  type ClientThrottleSnapshot,
  type ThrottlePermit,
  ThrottlingStage,
} from './throttling/client-throttle.js';
export { Coalescer, CoalescingStage, Flights } from './coalescing/coalescer.js';
export {
  isWorthLastGood,
  LAST_GOOD_OPTIONS,
  type LastGood,
  LastGoodCache,
  type LastGoodCacheDeps,
  type LastGoodOptions,
  LastGoodStage,
} from './stale-answers/last-good-cache.js';
export {
  RATE_LIMITER_OPTIONS,
  RateLimiter,
  type RateLimiterDeps,
  type RateLimiterOptions,
  type RateLimiterSnapshot,
  RateLimitStage,
} from './rate-limit/rate-limiter.js';
export { loadSignalOf, loadSignalOfFailure, loadSignalOfStatus, type LoadSignal } from './load-signal.js';
export {
  resolveResiliencePolicyOptions,
  type Fallback,
  type PolicyRetryOptions,
  type ResiliencePolicyOptions,
} from './pipeline/resilience-policy-options.js';
export { ResiliencePolicy, type ResiliencePolicyDeps } from './pipeline/resilience-policy.js';
export { parsePushback, parseRetryAfter } from './retry/retry-after.js';
export { RETRY_BUDGET_OPTIONS, RetryBudget, type RetryBudgetOptions } from './retry/retry-budget.js';
export {
  type AttemptDriver,
  type EndedAttempt,
  type FailedAttempt,
  type NoRetryReason,
  type Repeatability,
  type RetriedContext,
  type RetryDecision,
  type RetryReason,
  RetryState,
  type RetryStateDeps,
} from './retry/retry-state.js';
export { hedge, type HedgeChance, HedgedAttempts, type HedgeOptions, mayHedge } from './hedging/hedge.js';
export { HedgeDelay } from './hedging/hedge-delay.js';
export {
  HEDGE_DELAY_OPTIONS,
  HEDGING_OPTIONS,
  type HedgeDelayOptions,
  type HedgePercentile,
  type HedgingOptions,
  type ResolvedHedgeDelayOptions,
  type ResolvedHedgingOptions,
  checkHedging,
} from './hedging/hedge-options.js';
export { shareOfInstances } from './outliers/outlier-rules.js';
export {
  type ErrorClass,
  isIdempotentMethod,
  isRetryableError,
  type Jitter,
  type ResolvedRetryOptions,
  RETRY_OPTIONS,
  type RetryableErrors,
  type RetryOptions,
} from './retry/retry-options.js';
export { DeadlineStage } from './deadline/deadline-stages.js';
export {
  chain,
  type Next,
  refused,
  type ShareableContext,
  type Stage,
  type StageDescription,
  type StageName,
} from './pipeline/stage.js';
export { RetryStage } from './retry/retry-stage.js';
