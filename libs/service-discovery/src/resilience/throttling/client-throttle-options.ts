import { OptionValidator, type Duration } from '../../common/index.js';

/** When calls are dropped before they are sent, because the callee rejects too many. */
export interface ClientThrottleOptions {
  /**
   * Calls that are made for each accepted one before any is dropped. At 2, the callee may reject half of the calls that
   * reach it; a lower value spares it more, and drops calls that it would have accepted. From 1 to 100.
   * @default 2
   */
  k: number;
  /**
   * How long a call counts. From 1 s to 1 h.
   * @default 2 min
   */
  window: Duration;
  /**
   * Calls within the window before any is dropped. A whole number from 1 to 1,000,000.
   * @default 10
   */
  minRequests: number;
  /**
   * The highest share of calls that is dropped: the rest find out when the callee accepts calls again. From 0.01 to 0.99.
   * @default 0.9
   */
  maxRejection: number;
}

export const DEFAULT_CLIENT_THROTTLE_OPTIONS: Readonly<ClientThrottleOptions> = {
  k: 2,
  window: 120_000,
  minRequests: 10,
  maxRejection: 0.9,
};

/** Checked options with every default filled in: durations are milliseconds. May be given wherever options are taken. */
export interface ResolvedClientThrottleOptions extends Readonly<ClientThrottleOptions> {
  readonly window: number;
}

/**
 * Fills in the defaults and checks every option.
 * @throws InvalidConfigurationError naming every wrong option
 */
export function resolveClientThrottleOptions(
  options?: Partial<ClientThrottleOptions>,
  path = 'throttling',
): ResolvedClientThrottleOptions {
  const check = new OptionValidator(path);
  const given = check.options('', options, DEFAULT_CLIENT_THROTTLE_OPTIONS);
  const resolved: ResolvedClientThrottleOptions = {
    k: check.number('k', given.k, { min: 1, max: 100 }),
    window: check.duration('window', given.window, { minMs: 1_000, maxMs: 3_600_000 }),
    minRequests: check.number('minRequests', given.minRequests, { min: 1, max: 1_000_000, integer: true }),
    maxRejection: check.number('maxRejection', given.maxRejection, { min: 0.01, max: 0.99 }),
  };
  check.throwIfAny();
  return check.checked(resolved);
}
