import { isRecord, OptionValidator, type Duration } from '../../common/index.js';
import {
  ADAPTIVE_LIMIT_OPTIONS,
  type AdaptiveLimitOptions,
  type ResolvedAdaptiveLimitOptions,
} from '../adaptive-concurrency/adaptive-limit-options.js';
import { BULKHEAD_OPTIONS, type BulkheadOptions, type ResolvedBulkheadOptions } from '../bulkhead/bulkhead.js';
import { CHAOS_OPTIONS, type ChaosOptions, type ResolvedChaosOptions } from '../chaos/chaos-policy.js';
import {
  checkSlowCalls,
  CIRCUIT_BREAKER_OPTIONS,
  type CircuitBreakerOptions,
  type ResolvedCircuitBreakerOptions,
} from '../circuit-breaker/circuit-breaker-options.js';
import { type ErrorClassifier } from '../classify.js';
import {
  checkHedging,
  HEDGING_OPTIONS,
  type HedgingOptions,
  type ResolvedHedgingOptions,
} from '../hedging/hedge-options.js';
import {
  CLIENT_THROTTLE_OPTIONS,
  type ClientThrottleOptions,
  type ResolvedClientThrottleOptions,
} from '../throttling/client-throttle.js';
import {
  LAST_GOOD_OPTIONS,
  type LastGoodOptions,
  type ResolvedLastGoodOptions,
} from '../stale-answers/last-good-cache.js';
import {
  RATE_LIMITER_OPTIONS,
  type RateLimiterOptions,
  type ResolvedRateLimiterOptions,
} from '../rate-limit/rate-limiter.js';
import { RETRY_OPTIONS, type ResolvedRetryOptions, type RetryOptions } from '../retry/retry-options.js';

/** Provides the answer in place of an error; may throw one itself. */
export type Fallback = (error: unknown) => unknown;

/** How a policy retries: {@link RetryOptions}, and an optional predicate. */
export interface PolicyRetryOptions extends RetryOptions {
  /**
   * Whether an error is retried.
   * @default what `classifyError` finds `retryable`, by `retryableStatuses`
   */
  retryIf?: (error: unknown) => boolean;
}

/** The stages of a policy. A stage that is left out does not apply; without any option the function is called directly. */
export interface ResiliencePolicyOptions {
  /**
   * The time for the whole call: all attempts, delays and the wait for a slot. From 1 ms to 1 day.
   * @default none
   */
  timeout?: Duration;
  /**
   * The time for one attempt, at most `timeout`. From 1 ms to 1 day.
   * @default none
   */
  attemptTimeout?: Duration;
  /**
   * Repeats failed attempts, so use it only for what may run twice. `{}` takes the defaults of {@link RetryOptions}.
   * @default none
   */
  retry?: Partial<PolicyRetryOptions> | false;
  /**
   * Sends another attempt beside one that takes long, so use it only for what may run twice. `{}` takes the defaults of
   * {@link HedgingOptions}. Hedges use the retry budget, and count as attempts.
   * @default none
   */
  hedging?: Partial<HedgingOptions> | false;
  /**
   * Refuses calls after too many failures. `{}` takes the defaults of {@link CircuitBreakerOptions}.
   * @default none
   */
  circuitBreaker?: Partial<CircuitBreakerOptions> | false;
  /**
   * Limits the calls per unit of time; a call that would have to wait longer than `maxWait` is refused at once. Retries do
   * not count.
   * @default none
   */
  rateLimit?: RateLimiterOptions | false;
  /**
   * Drops a share of the calls before they are sent while the callee rejects too many. `{}` takes the defaults of
   * {@link ClientThrottleOptions}.
   * @default none
   */
  throttling?: Partial<ClientThrottleOptions> | false;
  /**
   * Limits the concurrent calls.
   * @default none
   */
  bulkhead?: BulkheadOptions | false;
  /**
   * Limits the concurrent calls to what the callee turns out to handle. `{}` takes the defaults of
   * {@link AdaptiveLimitOptions}.
   * @default none
   */
  adaptiveConcurrency?: Partial<AdaptiveLimitOptions> | false;
  /**
   * Makes one call for overlapping calls with equal keys, and gives all of them the same object. It needs a key for each
   * call, see `execute()`.
   * @default false
   */
  coalescing?: boolean;
  /**
   * Answers a failed call with the last good answer for its key, when the callee is at fault. `{}` takes the defaults of
   * {@link LastGoodOptions}. It needs a key for each call, see `execute()`.
   * @default none
   */
  lastGood?: Partial<LastGoodOptions> | false;
  /**
   * Classifies errors in place of `classifyError`: the circuit breaker counts `failure` and `retryable`, `retryable` is
   * retried, hedging and last good answers treat `success` as an answer, and `ignored` counts for nothing. `retryIf` and
   * `retryableErrors` still decide on retries.
   * @default classifyError, by `retry.retryableStatuses`
   */
  classify?: ErrorClassifier;
  /**
   * Injects faults, latency and outcomes, for tests.
   * @default none
   */
  chaos?: ChaosOptions | false;
  /**
   * Answers in place of an error, except when the caller aborted. The deadline does not cover it.
   * @default none
   */
  fallback?: Fallback;
}

/** Checked options: durations are milliseconds; undefined: the stage is off. */
export interface ResolvedResiliencePolicyOptions {
  readonly timeout?: number;
  readonly attemptTimeout?: number;
  readonly retry?: ResolvedRetryOptions;
  readonly retryIf?: (error: unknown) => boolean;
  readonly hedging?: ResolvedHedgingOptions;
  readonly circuitBreaker?: ResolvedCircuitBreakerOptions;
  readonly rateLimit?: ResolvedRateLimiterOptions;
  readonly throttling?: ResolvedClientThrottleOptions;
  readonly bulkhead?: ResolvedBulkheadOptions;
  readonly adaptiveConcurrency?: ResolvedAdaptiveLimitOptions;
  readonly coalescing?: boolean;
  readonly lastGood?: ResolvedLastGoodOptions;
  readonly classify?: ErrorClassifier;
  readonly chaos?: ResolvedChaosOptions;
  readonly fallback?: Fallback;
}

/** None has a default: a stage that is not set does not apply. */
const OPTION_NAMES: readonly (keyof ResiliencePolicyOptions)[] = [
  'timeout',
  'attemptTimeout',
  'retry',
  'hedging',
  'circuitBreaker',
  'rateLimit',
  'throttling',
  'bulkhead',
  'adaptiveConcurrency',
  'coalescing',
  'lastGood',
  'classify',
  'chaos',
  'fallback',
];

const TIMEOUT_RANGE = { minMs: 1, maxMs: 86_400_000 };

/**
 * Checks every option of every stage.
 * @param path what stands before the options' paths in the error; empty for none
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveResiliencePolicyOptions(
  options: ResiliencePolicyOptions = {},
  path = '',
): ResolvedResiliencePolicyOptions {
  const check = new OptionValidator(path);
  const given = check.options<ResiliencePolicyOptions>('', options, {}, OPTION_NAMES);
  const {
    hedging,
    circuitBreaker,
    rateLimit,
    throttling,
    bulkhead,
    adaptiveConcurrency,
    coalescing,
    lastGood,
    classify,
    chaos,
    fallback,
  } = given;
  const { retry, retryIf } = splitRetry(given.retry);
  const duration = (name: 'timeout' | 'attemptTimeout'): number | undefined =>
    given[name] === undefined ? undefined : check.duration(name, given[name], TIMEOUT_RANGE);
  /** Skips a stage that is off. */
  const stage = <O, R>(
    name: string,
    value: O | false | undefined,
    group: { readonly resolve: (value: O, path: string) => R },
  ) =>
    value === undefined || value === false ? undefined : check.gather(() => group.resolve(value, check.pathOf(name)));

  const resolved: ResolvedResiliencePolicyOptions = {
    timeout: duration('timeout'),
    attemptTimeout: duration('attemptTimeout'),
    retry: stage('retry', retry, RETRY_OPTIONS),
    retryIf,
    hedging: stage('hedging', hedging, HEDGING_OPTIONS),
    circuitBreaker: stage('circuitBreaker', circuitBreaker, CIRCUIT_BREAKER_OPTIONS),
    rateLimit: stage('rateLimit', rateLimit, RATE_LIMITER_OPTIONS),
    throttling: stage('throttling', throttling, CLIENT_THROTTLE_OPTIONS),
    bulkhead: stage('bulkhead', bulkhead, BULKHEAD_OPTIONS),
    adaptiveConcurrency: stage('adaptiveConcurrency', adaptiveConcurrency, ADAPTIVE_LIMIT_OPTIONS),
    coalescing: coalescing === undefined ? undefined : check.boolean('coalescing', coalescing),
    lastGood: stage('lastGood', lastGood, LAST_GOOD_OPTIONS),
    classify,
    chaos: stage('chaos', chaos, CHAOS_OPTIONS),
    fallback,
  };
  const { timeout = Infinity } = resolved;
  const within = (path: string, value: unknown, ms = 0): void => {
    if (ms > timeout) check.problem(path, value, `a duration not longer than timeout, which is ${timeout}ms`);
  };
  within('attemptTimeout', given.attemptTimeout, resolved.attemptTimeout);
  within('rateLimit.maxWait', rateLimit && rateLimit.maxWait, resolved.rateLimit?.maxWait);
  within('bulkhead.maxWait', bulkhead && bulkhead.maxWait, resolved.bulkhead?.maxWait);
  if (adaptiveConcurrency && adaptiveConcurrency.maxWait !== undefined) {
    within('adaptiveConcurrency.maxWait', adaptiveConcurrency.maxWait, resolved.adaptiveConcurrency?.maxWait);
  }
  if (resolved.circuitBreaker) {
    const { attemptTimeout = timeout } = resolved;
    checkSlowCalls(check, 'circuitBreaker', resolved.circuitBreaker, { what: 'an attempt', ms: attemptTimeout });
  }
  if (resolved.hedging) checkHedging(check, resolved.hedging, resolved);
  check.optionalFunction('retry.retryIf', retryIf);
  if (retryIf && retry && retry.retryableErrors !== undefined) {
    check.problem('retry.retryIf', retryIf, 'either retryIf or retryableErrors, not both');
  }
  check.optionalFunction('classify', classify);
  check.optionalFunction('fallback', fallback);
  check.throwIfAny();
  return resolved;
}

/** Separates `retryIf`, which only policies have; what is not an object is left to validation. */
function splitRetry(
  given: ResiliencePolicyOptions['retry'],
): Pick<ResiliencePolicyOptions, 'retry'> & Pick<PolicyRetryOptions, 'retryIf'> {
  if (!isRecord(given)) return { retry: given };
  const { retryIf, ...retry } = given;
  return { retry, retryIf };
}
