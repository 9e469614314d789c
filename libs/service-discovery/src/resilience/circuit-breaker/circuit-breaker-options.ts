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

/** The last so many calls, instead of those of the last so many seconds. */
const CALL_COUNT_WINDOW_OPTIONS = new OptionGroup('window', {
  /** How many of the latest calls count. A whole number from 1 to 1,000, at least `minimumCalls`. */
  calls: count({ min: 1, max: 1_000 }),
  /**
   * How long each of them counts at most, so that an idle hour leaves none. From 1 ms to 1 day.
   * @default 10 min
   */
  maxAge: duration({ default: 600_000, ...UP_TO_ONE_DAY }),
});

/** A window over the last calls, in place of one over time. */
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
     * How many consecutive failures within `window` open the circuit. A whole number from 1 to 1,000; false: any number.
     * @default 5
     */
    failureThreshold: fromEnv('CIRCUIT_BREAKER_FAILURE_THRESHOLD', orFalse(count({ default: 5, min: 1, max: 1_000 }))),
    /**
     * Which share of the calls within `window` has to fail to open the circuit: from 0.01 to 1; false: any share.
     * @default false
     */
    failureRate: orFalse(number({ min: 0.01, max: 1 })),
    /**
     * Which share of the calls within `window`, failed ones included, has to be slow to open the circuit: from 0.01 to 1;
     * false: any share. Where it is given, a slow probe is a failed one.
     * @default false
     */
    slowCallRate: orFalse(number({ min: 0.01, max: 1 })),
    /**
     * How long a call takes that is slow, or longer: from 1 ms to 1 day. Needed for `slowCallRate`, and for nothing else.
     * @default false
     */
    slowCallDuration: orFalse(duration({ ...UP_TO_ONE_DAY, usuallyMs: true })),
    /**
     * How many calls within `window` it takes before a rate says anything. A whole number from 1 to 1,000,000.
     * @default 20, or all calls of a `window` that has fewer
     */
    minimumCalls: count({ default: 20, min: 1, max: 1_000_000 }),
    /**
     * Which calls count: those of so much time, from 1 ms to 1 day, or the last so many. Nothing that is older opens a
     * circuit. For the rates, time passes in twentieths of the window.
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
     * How long an open circuit refuses every call before it lets probes through. From 1 ms to 1 day.
     * @default 60 s
     */
    recoveryTimeout: fromEnv('CIRCUIT_BREAKER_RECOVERY_TIMEOUT', duration({ default: 60_000, ...UP_TO_ONE_DAY })),
    /**
     * How many times longer the circuit stays open each time that it opens again, after a failed probe or before it has
     * been closed for as long as it was open. From 1 to 10.
     * @default 1
     */
    recoveryBackoff: number({ default: 1, min: 1, max: 10 }),
    /**
     * The longest open time that `recoveryBackoff` comes to, at least `recoveryTimeout`. From 1 ms to 1 day.
     * @default 5 min, or `recoveryTimeout` where that is longer
     */
    maxRecoveryTimeout: duration({ default: 300_000, ...UP_TO_ONE_DAY }),
    /**
     * By which share of it an open time is longer, at random, so that not all processes probe in the same moment. From 0 to 1.
     * @default 0
     */
    recoveryJitter: number({ default: 0, min: 0, max: 1 }),
    /**
     * How many probes may run at the same time while the circuit is half open. A whole number from 1 to 100.
     * @default 1
     */
    halfOpenPermits: count({ default: 1, min: 1, max: 100 }),
    /**
     * How many probes must succeed to close the circuit: in a row, unless `halfOpenFailureRate` is given. A whole number from
     * 1 to 1,000.
     * @default 1, or as many as it takes for `halfOpenFailureRate` to tolerate one failure
     */
    successThreshold: count({ default: 1, min: 1, max: 1_000 }),
    /**
     * Which share of the probes has to fail to open the circuit again: from 0.01 to 0.99; false: the first failure does. It
     * opens as soon as the share is certain to be reached, counting `successThreshold` successes.
     * @default false
     */
    halfOpenFailureRate: orFalse(number({ min: 0.01, max: 0.99 })),
    /**
     * In which time after the probes the share of calls that are let through grows from a tenth to all, for what has to
     * warm up: from 1 ms to 1 day; false: all calls at once.
     * @default false
     */
    ramp: orFalse(duration(UP_TO_ONE_DAY)),
    /**
     * The statuses of failures that count for nothing, each from 400 to 599, and `[from, to]` ranges of them: those that
     * are about one client's requests.
     * @default [408, 429]
     */
    ignoredStatuses: errorStatuses({ default: DEFAULT_IGNORED_STATUSES }),
    /**
     * Which share of the circuits of a service's instances may be open or half open at the same time, rounded down and at
     * least one: from 0.01 to 1, which is all. Beyond it circuits stay closed and count on. Without effect on a circuit
     * that is not an instance's.
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
