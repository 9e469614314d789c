import { OptionValidator, type Duration } from '../../common/index.js';

/** The last so many calls, instead of those of the last so many seconds. */
export interface CallCountWindow {
  /** How many of the latest calls count. A whole number from 1 to 1,000, at least `minimumCalls`. */
  calls: number;
  /**
   * How long each of them counts at most, so that an idle hour leaves none. From 1 ms to 1 day.
   * @default 10 min
   */
  maxAge?: Duration;
}

/** When a circuit opens, and what it takes to close it again. It opens as soon as one of the conditions is met. */
export interface CircuitBreakerOptions {
  /**
   * How many consecutive failures within `window` open the circuit. A whole number from 1 to 1,000; false: any number.
   * @default 5
   */
  failureThreshold: number | false;
  /**
   * Which share of the calls within `window` has to fail to open the circuit: from 0.01 to 1; false: any share.
   * @default false
   */
  failureRate: number | false;
  /**
   * Which share of the calls within `window`, failed ones included, has to be slow to open the circuit: from 0.01 to 1;
   * false: any share. Where it is given, a slow probe is a failed one.
   * @default false
   */
  slowCallRate: number | false;
  /**
   * How long a call takes that is slow, or longer: from 1 ms to 1 day. Needed for `slowCallRate`, and for nothing else.
   * @default false
   */
  slowCallDuration: Duration | false;
  /**
   * How many calls within `window` it takes before a rate says anything. A whole number from 1 to 1,000,000.
   * @default 20, or all calls of a `window` that has fewer
   */
  minimumCalls: number;
  /**
   * Which calls count: those of so much time, from 1 ms to 1 day, or the last so many. Nothing that is older opens a
   * circuit. For the rates, time passes in twentieths of the window.
   * @default 60 s
   */
  window: Duration | CallCountWindow;
  /**
   * How long an open circuit refuses every call before it lets probes through. From 1 ms to 1 day.
   * @default 60 s
   */
  recoveryTimeout: Duration;
  /**
   * How many times longer the circuit stays open each time that it opens again, after a failed probe or before it has
   * been closed for as long as it was open. From 1 to 10.
   * @default 1
   */
  recoveryBackoff: number;
  /**
   * The longest open time that `recoveryBackoff` comes to, at least `recoveryTimeout`. From 1 ms to 1 day.
   * @default 5 min, or `recoveryTimeout` where that is longer
   */
  maxRecoveryTimeout: Duration;
  /**
   * By which share of it an open time is longer, at random, so that not all processes probe in the same moment. From 0 to 1.
   * @default 0
   */
  recoveryJitter: number;
  /**
   * How many probes may run at the same time while the circuit is half open. A whole number from 1 to 100.
   * @default 1
   */
  halfOpenPermits: number;
  /**
   * How many probes must succeed to close the circuit: in a row, unless `halfOpenFailureRate` is given. A whole number from
   * 1 to 1,000.
   * @default 1, or as many as it takes for `halfOpenFailureRate` to tolerate one failure
   */
  successThreshold: number;
  /**
   * Which share of the probes has to fail to open the circuit again: from 0.01 to 0.99; false: the first failure does. It
   * opens as soon as the share is certain to be reached, counting `successThreshold` successes.
   * @default false
   */
  halfOpenFailureRate: number | false;
  /**
   * In which time after the probes the share of calls that are let through grows from a tenth to all, for what has to
   * warm up: from 1 ms to 1 day; false: all calls at once.
   * @default false
   */
  ramp: Duration | false;
}

export const DEFAULT_CIRCUIT_BREAKER_OPTIONS: Readonly<CircuitBreakerOptions> = {
  failureThreshold: 5,
  failureRate: false,
  slowCallRate: false,
  slowCallDuration: false,
  minimumCalls: 20,
  window: 60_000,
  recoveryTimeout: 60_000,
  recoveryBackoff: 1,
  maxRecoveryTimeout: 300_000,
  recoveryJitter: 0,
  halfOpenPermits: 1,
  successThreshold: 1,
  halfOpenFailureRate: false,
  ramp: false,
};

const DEFAULT_MAX_AGE_MS = 600_000;
/** Tolerance for binary fractions. */
const ROUNDING = 1e-9;

/** Checked options with every default filled in: durations are milliseconds. May be given wherever options are taken. */
export interface ResolvedCircuitBreakerOptions extends Readonly<CircuitBreakerOptions> {
  readonly slowCallDuration: number | false;
  readonly window: number | { readonly calls: number; readonly maxAge: number };
  readonly recoveryTimeout: number;
  readonly maxRecoveryTimeout: number;
  readonly ramp: number | false;
}

const UP_TO_ONE_DAY = { minMs: 1, maxMs: 86_400_000 };

/**
 * Fills in the defaults and checks every option.
 * @param path where the options stand, for the error: `circuitBreaker.failureThreshold`
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveCircuitBreakerOptions(
  options?: Partial<CircuitBreakerOptions>,
  path = 'circuitBreaker',
): ResolvedCircuitBreakerOptions {
  const check = new OptionValidator(path);
  const given = check.options('', options, DEFAULT_CIRCUIT_BREAKER_OPTIONS);
  const count = (name: 'minimumCalls' | 'halfOpenPermits' | 'successThreshold', max: number): number =>
    check.number(name, given[name], { min: 1, max, integer: true });
  const rate = (name: 'failureRate' | 'slowCallRate'): number | false =>
    given[name] !== false && check.number(name, given[name], { min: 0.01, max: 1 });
  const duration = (name: 'recoveryTimeout' | 'maxRecoveryTimeout'): number =>
    check.duration(name, given[name], UP_TO_ONE_DAY);
  const { failureThreshold } = given;

  const resolved = {
    failureThreshold:
      failureThreshold !== false &&
      check.number('failureThreshold', failureThreshold, { min: 1, max: 1_000, integer: true }),
    failureRate: rate('failureRate'),
    slowCallRate: rate('slowCallRate'),
    slowCallDuration:
      given.slowCallDuration !== false &&
      check.duration('slowCallDuration', given.slowCallDuration, { ...UP_TO_ONE_DAY, usuallyMs: true }),
    minimumCalls: count('minimumCalls', 1_000_000),
    window: resolveWindow(given.window, check),
    recoveryTimeout: duration('recoveryTimeout'),
    recoveryBackoff: check.number('recoveryBackoff', given.recoveryBackoff, { min: 1, max: 10 }),
    maxRecoveryTimeout: duration('maxRecoveryTimeout'),
    recoveryJitter: check.number('recoveryJitter', given.recoveryJitter, { min: 0, max: 1 }),
    halfOpenPermits: count('halfOpenPermits', 100),
    successThreshold: count('successThreshold', 1_000),
    halfOpenFailureRate:
      given.halfOpenFailureRate !== false &&
      check.number('halfOpenFailureRate', given.halfOpenFailureRate, { min: 0.01, max: 0.99 }),
    ramp: given.ramp !== false && check.duration('ramp', given.ramp, UP_TO_ONE_DAY),
  };
  // A default yields to what was set; only two options that were both set can contradict each other.
  if (options?.minimumCalls === undefined && typeof resolved.window === 'object') {
    resolved.minimumCalls = Math.min(resolved.minimumCalls, resolved.window.calls);
  }
  if (options?.maxRecoveryTimeout === undefined) {
    resolved.maxRecoveryTimeout = Math.max(resolved.maxRecoveryTimeout, resolved.recoveryTimeout);
  }
  if (options?.successThreshold === undefined && resolved.halfOpenFailureRate !== false) {
    resolved.successThreshold = fewestSuccesses(resolved.halfOpenFailureRate);
  }
  findContradictions(resolved, given, check);
  check.throwIfAny();
  return check.checked(resolved);
}

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

function resolveWindow(window: unknown, check: OptionValidator): ResolvedCircuitBreakerOptions['window'] {
  if (typeof window !== 'object' || window === null) return check.duration('window', window, UP_TO_ONE_DAY);
  const defaults: Partial<CallCountWindow> = { maxAge: DEFAULT_MAX_AGE_MS };
  const { calls, maxAge } = check.options('window', window, defaults, ['calls']);
  return {
    calls: check.number('window.calls', calls, { min: 1, max: 1_000, integer: true }),
    maxAge: check.duration('window.maxAge', maxAge, UP_TO_ONE_DAY),
  };
}

function findContradictions(
  resolved: ResolvedCircuitBreakerOptions,
  given: CircuitBreakerOptions,
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
