import { type OptionValidator } from '../../common/index.js';
import { checkHedging, checkSlowCalls, DEFAULT_RETRY_OPTIONS } from '../../resilience/index.js';
import { type CommunicatorOptions } from './communicator-options.js';
import { type ResolvedPolicies } from './policies.js';

/** What is given, and what holds in the end where it meets something that is not. */
interface Given {
  readonly options: CommunicatorOptions;
  /** Those of the options that are given and make sense by themselves. */
  readonly policies: Partial<ResolvedPolicies>;
  readonly retry: CommunicatorOptions['retry'];
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
}

/**
 * Reports options that cannot be meant together. It is the ones that are given that contradict: a shorter timeout may well
 * be laid over what was made for a longer one, and then takes its place.
 */
export function findContradictions(given: Given, check: OptionValidator): void {
  const { options, policies, retry, timeoutMs, attemptTimeoutMs } = given;
  const { hedging, rateLimit, bulkhead, adaptiveConcurrency, circuitBreaker, serviceCircuitBreaker } = policies;
  if (options.timeout !== undefined && options.attemptTimeout !== undefined && attemptTimeoutMs > timeoutMs) {
    check.problem(
      'attemptTimeout',
      options.attemptTimeout,
      `at most the timeout of the whole call (${String(options.timeout)})`,
    );
  }
  if (hedging) {
    const { maxAttempts = DEFAULT_RETRY_OPTIONS.maxAttempts } = retry === false ? {} : (retry ?? {});
    const times = attemptTimeoutMs < timeoutMs ? { attemptTimeout: attemptTimeoutMs } : { timeout: timeoutMs };
    checkHedging(check, hedging, { ...times, retry: retry === false ? undefined : { maxAttempts } });
  }
  const waits = {
    'rateLimit.maxWait': rateLimit?.maxWait,
    'bulkhead.maxWait': bulkhead?.maxWait,
    // A default wait that is too long gives way to the call's time by itself.
    'adaptiveConcurrency.maxWait':
      options.adaptiveConcurrency && options.adaptiveConcurrency.maxWait !== undefined
        ? adaptiveConcurrency?.maxWait
        : undefined,
  };
  for (const [at, waitMs] of Object.entries(waits)) {
    if (waitMs !== undefined && waitMs > timeoutMs) {
      check.problem(at, waitMs, `at most the timeout of the whole call, which is ${timeoutMs}ms`);
    }
  }
  const attemptMs = Math.min(timeoutMs, attemptTimeoutMs);
  if (circuitBreaker) checkSlowCalls(check, 'circuitBreaker', circuitBreaker, { what: 'an attempt', ms: attemptMs });
  if (serviceCircuitBreaker) {
    checkSlowCalls(check, 'serviceCircuitBreaker', serviceCircuitBreaker, { what: 'a call', ms: timeoutMs });
  }
}
