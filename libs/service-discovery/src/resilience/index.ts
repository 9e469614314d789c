/**
 * Protects calls from failing callees, and callees from their callers: circuit breaker, retry and its budget, limits,
 * deadline, coalescing, last good answers.
 */
export { type AdaptiveLimitOptions, ADAPTIVE_LIMIT_OPTIONS } from './adaptive-concurrency/adaptive-limit-options.js';
export {
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
export { reportCircuit, type CircuitStateChange } from './circuit-breaker/circuit-events.js';
export { type CircuitPermit } from './circuit-breaker/circuit-permits.js';
export {
  FORCED_CIRCUITS,
  type CircuitSnapshot,
  type CircuitWindow,
  type ForcedCircuit,
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
  OutlierDetector,
  type OutlierDetectorDeps,
  type OutlierSnapshot,
  type OutlierView,
} from './outliers/outlier-detector.js';
export { type Ejection, type OutlierListener, reportOutliers } from './outliers/outlier-events.js';
export {
  classifyAbort,
  classifyError,
  classifyStatus,
  DEFAULT_RETRYABLE_STATUSES,
  type ErrorClassifier,
  reasonOf,
} from './classify.js';
export { type ClientThrottleOptions, CLIENT_THROTTLE_OPTIONS } from './throttling/client-throttle-options.js';
export {
  ClientThrottle,
  type ClientThrottleDeps,
  type ClientThrottleSnapshot,
  type ThrottlePermit,
} from './throttling/client-throttle.js';
export { Coalescer } from './coalescing/coalescer.js';
export {
  LAST_GOOD_OPTIONS,
  isWorthLastGood,
  type LastGood,
  LastGoodCache,
  type LastGoodCacheDeps,
  type LastGoodOptions,
} from './stale-answers/last-good-cache.js';
export { RATE_LIMITER_OPTIONS, type RateLimiterOptions } from './rate-limit/rate-limiter-options.js';
export { RateLimiter, type RateLimiterDeps, type RateLimiterSnapshot } from './rate-limit/rate-limiter.js';
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
  type FailedAttempt,
  type NoRetryReason,
  type Repeatability,
  type RetryDecision,
  type RetryReason,
  RetryState,
  type RetryStateDeps,
} from './retry/retry-state.js';
export { hedge, mayHedge, type HedgeChance, type HedgeOptions } from './hedging/hedge.js';
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
export { shareOfInstances } from './share-of-instances.js';
export { ERROR_STATUSES_EXPECTED, includesStatus, isErrorStatusList } from './status-list.js';
export { type ErrorClass, isRetryableError, type RetryableErrors } from './retry/retryable-errors.js';
export {
  RETRY_OPTIONS,
  isIdempotentMethod,
  type Jitter,
  type ResolvedRetryOptions,
  type RetryOptions,
} from './retry/retry-options.js';
export { AdaptiveConcurrencyStage } from './adaptive-concurrency/adaptive-concurrency-stage.js';
export { BulkheadStage } from './bulkhead/bulkhead-stage.js';
export { CoalescingStage, Flights } from './coalescing/coalescing-stage.js';
export { DeadlineStage } from './deadline/deadline-stage.js';
export { HedgedAttempts } from './hedging/hedged-attempts.js';
export { type ShareableContext } from './pipeline/call-context.js';
export { refused } from './pipeline/refused.js';
export { chain, type Next, type Stage, type StageDescription, type StageName } from './pipeline/stage.js';
export { RateLimitStage } from './rate-limit/rate-limit-stage.js';
export { type AttemptDriver, type EndedAttempt, type RetriedContext } from './retry/attempts.js';
export { RetryStage } from './retry/retry-stage.js';
export { LastGoodStage } from './stale-answers/last-good-stage.js';
export { ThrottlingStage } from './throttling/throttling-stage.js';
