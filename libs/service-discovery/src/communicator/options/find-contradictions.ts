import { type OptionValidator } from '../../common/index.js';
import { checkHedging, checkSlowCalls, RETRY_OPTIONS } from '../../resilience/index.js';
import { type CommunicatorOptions, type ResolvedCommunicatorOptions } from './communicator-options.js';

/** The options that were given, and the values in effect for the rest. */
interface Given {
  readonly options: CommunicatorOptions;
  /** Those of the given options that are valid by themselves. */
  readonly policies: Partial<ResolvedCommunicatorOptions>;
  readonly retry: CommunicatorOptions['retry'];
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
}

/**
 * Reports options that contradict each other. Only given options can: a shorter timeout may be set over a default,
 * which then adapts.
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
    const { maxAttempts = RETRY_OPTIONS.defaults.maxAttempts } = retry === false ? {} : (retry ?? {});
    const times = attemptTimeoutMs < timeoutMs ? { attemptTimeout: attemptTimeoutMs } : { timeout: timeoutMs };
    checkHedging(check, hedging, { ...times, retry: retry === false ? undefined : { maxAttempts } });
  }
  const waits = {
    'rateLimit.maxWait': rateLimit?.maxWait,
    'bulkhead.maxWait': bulkhead?.maxWait,
    // A default wait that is too long is cut to the timeout of the call.
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
