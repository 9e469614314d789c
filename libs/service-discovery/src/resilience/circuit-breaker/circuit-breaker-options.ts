import {
  count,
  custom,
  duration,
  fromEnv,
  type Duration,
  type GivenOptionsOf,
  number,
  OptionGroup,
  type OptionsOf,
  type OptionValidator,
  orFalse,
  type ResolvedOf,
} from '../../common/index.js';
import { type StatusRange } from '../../model/index.js';
import { errorStatuses } from '../classify.js';

const UP_TO_ONE_DAY = { minMs: 1, maxMs: 86_400_000 };

/**
 * Request Timeout and Too Many Requests: mostly a limit of one user, which must not cut off all others. A service that is
 * overloaded as a whole answers 503.
 */
export const DEFAULT_IGNORED_STATUSES: readonly StatusRange[] = [408, 429];

/** A window over the last N calls rather than over time. */
const CALL_COUNT_WINDOW_OPTIONS = new OptionGroup('window', {
  /** The size of the window in calls. A whole number from 1 to 1,000, at least `minimumCalls`. */
  calls: count({ min: 1, max: 1_000 }),
  /**
   * Calls older than this are dropped, so that none is left after an idle hour. From 1 ms to 1 day.
   * @default 10 min
   */
  maxAge: duration({ default: 600_000, ...UP_TO_ONE_DAY }),
});

/** A window over the last N calls rather than over time. */
export interface CallCountWindow extends GivenOptionsOf<typeof CALL_COUNT_WINDOW_OPTIONS> {}
export interface ResolvedCallCountWindow extends ResolvedOf<typeof CALL_COUNT_WINDOW_OPTIONS> {}

function readWindow(value: unknown, path: string, check: OptionValidator): number | ResolvedCallCountWindow {
  if (typeof value !== 'object' || value === null) return check.duration(path, value, UP_TO_ONE_DAY);
  const window = check.gather(() => CALL_COUNT_WINDOW_OPTIONS.resolve(value, check.pathOf(path)));
  return window ?? Number.NaN;
}

/** When a circuit opens, and what it takes to close it again. It opens as soon as one of the conditions is met. */
export const CIRCUIT_BREAKER_OPTIONS = new OptionGroup(
  'circuitBreaker',
  {
    /**
     * Consecutive failures within `window` that open the circuit. A whole number from 1 to 1,000; false: no such limit.
     * @default 5
     */
    failureThreshold: fromEnv('CIRCUIT_BREAKER_FAILURE_THRESHOLD', orFalse(count({ default: 5, min: 1, max: 1_000 }))),
    /**
     * Share of failed calls within `window` that opens the circuit. From 0.01 to 1; false: no such limit.
     * @default false
     */
    failureRate: orFalse(number({ min: 0.01, max: 1 })),
    /**
     * Share of slow calls within `window`, failed ones included, that opens the circuit. From 0.01 to 1; false: no such
     * limit. When it is set, a slow probe counts as failed.
     * @default false
     */
    slowCallRate: orFalse(number({ min: 0.01, max: 1 })),
    /**
     * A call that takes this long or longer is slow. From 1 ms to 1 day. Required by `slowCallRate`; otherwise unused.
     * @default false
     */
    slowCallDuration: orFalse(duration({ ...UP_TO_ONE_DAY, usuallyMs: true })),
    /**
     * Calls required within `window` before the rates are evaluated. A whole number from 1 to 1,000,000.
     * @default 20, or all calls of a `window` that has fewer
     */
    minimumCalls: count({ default: 20, min: 1, max: 1_000_000 }),
    /**
     * The window of calls that count: a duration from 1 ms to 1 day, or the last N calls. Older calls never open the
     * circuit. For the rates, calls expire in steps of a twentieth of the window.
     * @default 60 s
     */
    window: custom<Duration | CallCountWindow, number | ResolvedCallCountWindow>({
      default: 60_000,
      range: '1 ms–1 d; 1–1,000 calls',
      kind: 'duration',
      inner: CALL_COUNT_WINDOW_OPTIONS,
      read: readWindow,
    }),
    /**
     * How long an open circuit refuses all calls before it lets probes through. From 1 ms to 1 day.
     * @default 60 s
     */
    recoveryTimeout: fromEnv('CIRCUIT_BREAKER_RECOVERY_TIMEOUT', duration({ default: 60_000, ...UP_TO_ONE_DAY })),
    /**
     * Factor by which the open time grows when the circuit opens again: after a failed probe, or before it has been closed
     * for as long as it was open. From 1 to 10.
     * @default 1
     */
    recoveryBackoff: number({ default: 1, min: 1, max: 10 }),
    /**
     * Upper bound of the open time as `recoveryBackoff` raises it; at least `recoveryTimeout`. From 1 ms to 1 day.
     * @default 5 min, or `recoveryTimeout` where that is longer
     */
    maxRecoveryTimeout: duration({ default: 300_000, ...UP_TO_ONE_DAY }),
    /**
     * Random share by which the open time is extended, so that processes don't all probe at the same moment. From 0 to 1.
     * @default 0
     */
    recoveryJitter: number({ default: 0, min: 0, max: 1 }),
    /**
     * Maximum concurrent probes while the circuit is half open. A whole number from 1 to 100.
     * @default 1
     */
    halfOpenPermits: count({ default: 1, min: 1, max: 100 }),
    /**
     * Successful probes that close the circuit: consecutive ones, unless `halfOpenFailureRate` is set. A whole number from
     * 1 to 1,000.
     * @default 1, or as many as it takes for `halfOpenFailureRate` to tolerate one failure
     */
    successThreshold: count({ default: 1, min: 1, max: 1_000 }),
    /**
     * Share of failed probes that opens the circuit again. From 0.01 to 0.99; false: the first failure opens it. It opens as
     * soon as the share is certain to be reached even if `successThreshold` probes succeed.
     * @default false
     */
    halfOpenFailureRate: orFalse(number({ min: 0.01, max: 0.99 })),
    /**
     * Time over which the share of admitted calls grows from a tenth to all after the circuit closes, for callees that have
     * to warm up. From 1 ms to 1 day; false: all calls are admitted at once.
     * @default false
     */
    ramp: orFalse(duration(UP_TO_ONE_DAY)),
    /**
     * Error statuses that the breaker ignores, since they are about one client's requests: a list of statuses from 400 to
     * 599 and `[from, to]` ranges.
     * @default [408, 429]
     */
    ignoredStatuses: errorStatuses({ default: DEFAULT_IGNORED_STATUSES }),
    /**
     * Maximum share of a service's instance circuits that may be open or half open at the same time, rounded down and at
     * least one. From 0.01 to 1, which is all. Beyond it, circuits stay closed and keep counting. Has no effect on circuits
     * of whole services.
     * @default 0.5
     */
    maxOpenShare: number({ default: 0.5, min: 0.01, max: 1 }),
  },
  (resolved, given, check) => {
    // A default yields to what was set; only two options that were both set can contradict each other.
    const { window, recoveryTimeout, halfOpenFailureRate } = resolved;
    if (given.minimumCalls === undefined && typeof window === 'object') {
      resolved.minimumCalls = Math.min(resolved.minimumCalls, window.calls);
    }
    if (given.maxRecoveryTimeout === undefined) {
      resolved.maxRecoveryTimeout = Math.max(resolved.maxRecoveryTimeout, recoveryTimeout);
    }
    if (given.successThreshold === undefined && halfOpenFailureRate !== false) {
      resolved.successThreshold = fewestSuccesses(halfOpenFailureRate);
    }
    findContradictions(resolved, given, check);
  },
);

export interface CircuitBreakerOptions extends OptionsOf<typeof CIRCUIT_BREAKER_OPTIONS> {}
export interface ResolvedCircuitBreakerOptions extends ResolvedOf<typeof CIRCUIT_BREAKER_OPTIONS> {}

/** Tolerance for binary fractions. */
const ROUNDING = 1e-9;

/** The successes beside which one failed probe is less than that share. */
function fewestSuccesses(halfOpenFailureRate: number): number {
  return Math.floor(1 / halfOpenFailureRate + ROUNDING);
}

/**
 * Reports a `slowCallDuration` that no call can reach, since a timeout ends it before.
 * @param check of the options that the breaker's are among, under `name`
 * @param limit what the breaker watches, and how long that may take
 */
export function checkSlowCalls(
  check: OptionValidator,
  name: string,
  { slowCallDuration }: ResolvedCircuitBreakerOptions,
  limit: { readonly what: string; readonly ms: number },
): void {
  if (slowCallDuration === false || !(slowCallDuration > limit.ms)) return;
  check.problem(
    `${name}.slowCallDuration`,
    slowCallDuration,
    `at most what ${limit.what} may take, which is ${limit.ms}ms`,
  );
}

function findContradictions(
  resolved: ResolvedCircuitBreakerOptions,
  given: Partial<CircuitBreakerOptions>,
  check: OptionValidator,
): void {
  const { failureThreshold, failureRate, slowCallRate, slowCallDuration, minimumCalls, window } = resolved;
  if (failureThreshold === false && failureRate === false && slowCallRate === false) {
    const expected = 'a number where neither failureRate nor slowCallRate is given: else the circuit never opens';
    check.problem('failureThreshold', false, expected);
  }
  if (slowCallRate !== false && slowCallDuration === false) {
    check.problem('slowCallDuration', false, 'a duration beside slowCallRate');
  }
  if (typeof window === 'object') {
    if ((failureRate !== false || slowCallRate !== false) && window.calls < minimumCalls) {
      check.problem('window.calls', window.calls, `at least minimumCalls, which is ${minimumCalls}`);
    }
    if (failureThreshold !== false && window.calls < failureThreshold) {
      check.problem('window.calls', window.calls, `at least failureThreshold, which is ${failureThreshold}`);
    }
  }
  const { halfOpenFailureRate, successThreshold } = resolved;
  if (halfOpenFailureRate !== false && successThreshold < fewestSuccesses(halfOpenFailureRate)) {
    const expected = `at least ${fewestSuccesses(halfOpenFailureRate)}, so that halfOpenFailureRate tolerates a failure`;
    check.problem('successThreshold', successThreshold, expected);
  }
  if (resolved.maxRecoveryTimeout < resolved.recoveryTimeout) {
    const expected = `a duration not shorter than recoveryTimeout, which is ${resolved.recoveryTimeout}ms`;
    check.problem('maxRecoveryTimeout', given.maxRecoveryTimeout, expected);
  }
}
