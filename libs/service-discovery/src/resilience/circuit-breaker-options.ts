import { OptionValidator, type Duration } from '../common/index.js';

/** When a circuit opens, and what it takes to close it again. */
export interface CircuitBreakerOptions {
  /**
   * How many consecutive failures within `window` open the circuit. A whole number from 1 to 1,000.
   * @default 5
   */
  failureThreshold: number;
  /**
   * How long a failure counts, so that failures from before an idle hour open nothing. From 1 ms to 1 day.
   * @default 60 s
   */
  window: Duration;
  /**
   * How long an open circuit refuses every call before it lets probes through. From 1 ms to 1 day.
   * @default 60 s
   */
  recoveryTimeout: Duration;
  /**
   * How many probes may run at the same time while the circuit is half open. A whole number from 1 to 100.
   * @default 1
   */
  halfOpenPermits: number;
  /**
   * How many probes must succeed in a row to close the circuit. A whole number from 1 to 1,000.
   * @default 1
   */
  successThreshold: number;
}

export const DEFAULT_CIRCUIT_BREAKER_OPTIONS: Readonly<CircuitBreakerOptions> = {
  failureThreshold: 5,
  window: 60_000,
  recoveryTimeout: 60_000,
  halfOpenPermits: 1,
  successThreshold: 1,
};

/** Checked options with every default filled in: durations are milliseconds. May be given wherever options are taken. */
export interface ResolvedCircuitBreakerOptions extends Readonly<CircuitBreakerOptions> {
  readonly window: number;
  readonly recoveryTimeout: number;
}

const ONE_DAY_MS = 86_400_000;

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
  const count = (name: 'failureThreshold' | 'halfOpenPermits' | 'successThreshold', max: number): number =>
    check.number(name, given[name], { min: 1, max, integer: true });
  const resolved: ResolvedCircuitBreakerOptions = {
    failureThreshold: count('failureThreshold', 1_000),
    window: check.duration('window', given.window, { minMs: 1, maxMs: ONE_DAY_MS }),
    recoveryTimeout: check.duration('recoveryTimeout', given.recoveryTimeout, { minMs: 1, maxMs: ONE_DAY_MS }),
    halfOpenPermits: count('halfOpenPermits', 100),
    successThreshold: count('successThreshold', 1_000),
  };
  check.throwIfAny();
  return resolved;
}
