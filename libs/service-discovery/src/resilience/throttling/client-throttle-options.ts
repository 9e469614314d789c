import { count, duration, number, OptionGroup, type OptionsOf, type ResolvedOf } from '../../common/index.js';

/** When calls are dropped before they are sent, because the callee rejects too many. */
export const CLIENT_THROTTLE_OPTIONS = new OptionGroup('throttling', {
  /**
   * Calls that are made for each accepted one before any is dropped. At 2, the callee may reject half of the calls that
   * reach it; a lower value spares it more, and drops calls that it would have accepted. From 1 to 100.
   * @default 2
   */
  k: number({ default: 2, min: 1, max: 100 }),
  /**
   * How long a call counts. From 1 s to 1 h.
   * @default 2 min
   */
  window: duration({ default: 120_000, minMs: 1_000, maxMs: 3_600_000 }),
  /**
   * Calls within the window before any is dropped. A whole number from 1 to 1,000,000.
   * @default 10
   */
  minRequests: count({ default: 10, min: 1, max: 1_000_000 }),
  /**
   * The highest share of calls that is dropped: the rest find out when the callee accepts calls again. From 0.01 to 0.99.
   * @default 0.9
   */
  maxRejection: number({ default: 0.9, min: 0.01, max: 0.99 }),
});

export interface ClientThrottleOptions extends OptionsOf<typeof CLIENT_THROTTLE_OPTIONS> {}
export interface ResolvedClientThrottleOptions extends ResolvedOf<typeof CLIENT_THROTTLE_OPTIONS> {}
