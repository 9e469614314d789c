import {
  type AnyOptionGroup,
  boolean,
  count,
  custom,
  duration,
  fromEnv,
  type Option,
  optional,
  OptionGroup,
  type OptionsOf,
  orFalse,
  type ResolvedOf,
  unchecked,
} from '../../common/index.js';
import { LOAD_BALANCING_OPTIONS, type LoadBalancing } from '../../balancing/index.js';
import { type Tier } from '../../model/index.js';
import {
  ADAPTIVE_LIMIT_OPTIONS,
  type AdaptiveLimitOptions,
  BULKHEAD_OPTIONS,
  type BulkheadOptions,
  CHAOS_OPTIONS,
  type ChaosOptions,
  CIRCUIT_BREAKER_OPTIONS,
  type CircuitBreakerOptions,
  CLIENT_THROTTLE_OPTIONS,
  type ClientThrottleOptions,
  HEDGING_OPTIONS,
  type HedgingOptions,
  LAST_GOOD_OPTIONS,
  type LastGoodOptions,
  OUTLIER_DETECTION_OPTIONS,
  type OutlierDetectionOptions,
  RATE_LIMITER_OPTIONS,
  type RateLimiterOptions,
  RETRY_OPTIONS,
  type RetryOptions,
} from '../../resilience/index.js';
import { resolveCallChaosOptions } from './chaos-options.js';

interface PolicyGroup extends AnyOptionGroup {
  readonly resolve: (given: never, path: string) => object;
}

/** The options of a stage, resolved to null where `false` leaves it out. Several layers may give a part of them each. */
function policy<Given extends object, G extends PolicyGroup>(
  inner: G,
  byDefault: Partial<Given> | false = false,
): Option<Partial<Given> | false, ReturnType<G['resolve']> | null, 'default'> {
  return custom({
    default: byDefault,
    range: 'options or `false`',
    inner,
    switchable: true,
    read: (value, path, check) => {
      if (value === false) return null;
      // What is wrong is reported, so that nothing goes on with undefined.
      return check.gather(() => inner.resolve(value as never, check.pathOf(path)) as ReturnType<G['resolve']>)!;
    },
  });
}

const CALL_CHAOS_OPTIONS = { ...CHAOS_OPTIONS, resolve: resolveCallChaosOptions };

/** The docs and the environment name its options at `circuitBreaker` alone. */
const SERVICE_CIRCUIT_BREAKER_OPTIONS = { ...CIRCUIT_BREAKER_OPTIONS, options: {} };

/** How calls are balanced, limited and retried. */
export const COMMUNICATOR_OPTIONS = new OptionGroup('', {
  /**
   * Which instance gets a call: a strategy, or `{ strategy, … }` with options such as `failOpen`, `slowStart` and `zone`.
   * `SERVICE_DISCOVERY_DEFAULT_LOAD_BALANCING` in the environment.
   * - `round_robin`: in turn
   * - `weighted_round_robin`: in turn, in proportion to the weights
   * - `random`: at random, in proportion to the weights
   * - `least_connections`: the one with the fewest calls in flight for its weight
   * - `p2c_ewma`: the better of two random instances, by latency and calls in flight
   * - `consistent_hash`, `maglev`: the same instance for the same `key`
   * - `ip_hash`: the same instance for the same client address
   * @default 'round_robin'
   */
  loadBalancing: fromEnv(
    'DEFAULT_LOAD_BALANCING',
    unchecked<LoadBalancing>({
      default: 'round_robin',
      range: 'a strategy, or options',
      inner: { ...LOAD_BALANCING_OPTIONS, names: ['strategy', ...LOAD_BALANCING_OPTIONS.names] },
    }),
  ),
  /**
   * Timeout of the whole call, including all attempts and the waits between them: 1 ms to 1 day. Shorter if the
   * caller's own deadline, from `ambientDeadline` or the request's `x-request-deadline`, is earlier.
   * @default '30s'
   */
  timeout: duration({ default: '30s', minMs: 1, maxMs: 86_400_000 }),
  /**
   * Timeout of one attempt: 1 ms to 1 day, at most `timeout` if both are given.
   * @default '10s'; if less is left of the call, half of that while another instance can be tried
   */
  attemptTimeout: duration({ default: '10s', minMs: 1, maxMs: 86_400_000 }),
  /** Maximum concurrent calls of this process to one instance: 1 to 1,000,000; false: no limit. @default false */
  concurrency: orFalse(count({ min: 1, max: 1_000_000 })),
  /**
   * Coalesces identical concurrent GETs into one call: the same path, query, criteria, key and headers, except tracing
   * headers. The response is buffered, and each caller gets a copy. A response with `set-cookie`, or with
   * `cache-control: private` or `no-store`, goes to one caller only; the others make their own calls. Needs a transport
   * that adds no headers (`Transport.sendsAsGiven`).
   * @default false
   */
  coalescing: boolean({ default: false }),
  /**
   * How long a call waits for a service that has not been registered since the start, 1 ms to 1 minute, if the call
   * begins within 10 s of the registry's first answer: callers often start just before the service. Counts towards
   * `timeout`. False: fails at once.
   * @default '2s'
   */
  waitForFirst: orFalse(duration({ default: '2s', minMs: 1, maxMs: 60_000 })),
  /**
   * For a process beside a service mesh: calls go to the virtual name that the service is registered under, and the sidecar
   * balances, retries, ejects and encrypts. `retry`, `hedging`, `circuitBreaker`, `outlierDetection` and `concurrency` are off then, whatever sets
   * them, and an attempt may take the whole `timeout`. Deadlines, trace headers, fallbacks, health checks and the other limits
   * stay. Single entries of `services` may differ by a `mesh` of their own.
   * @default false
   */
  mesh: boolean({ default: false }),
  /**
   * The tier pattern to apply over the module's options and under the other options given here: `web`, `app`, `data`,
   * `ml`, `monitoring`, or a name of `patterns`.
   * @default that of the service's tier
   */
  pattern: optional(unchecked<Tier>({ range: 'a name of `patterns`' })),
  /**
   * A circuit breaker per instance, which excludes it from picks after repeated failures. False: none.
   * @default 5 consecutive failures open it for 60 s
   */
  circuitBreaker: policy<CircuitBreakerOptions, typeof CIRCUIT_BREAKER_OPTIONS>(CIRCUIT_BREAKER_OPTIONS, {}),
  /** A circuit breaker for the service as a whole; counts the final outcome of calls, after retries. @default false */
  serviceCircuitBreaker: policy<CircuitBreakerOptions, typeof SERVICE_CIRCUIT_BREAKER_OPTIONS>(
    SERVICE_CIRCUIT_BREAKER_OPTIONS,
  ),
  /** Compares the instances of a service and avoids those that perform worse for a while. @default false */
  outlierDetection: policy<OutlierDetectionOptions, typeof OUTLIER_DETECTION_OPTIONS>(OUTLIER_DETECTION_OPTIONS),
  /**
   * Retries failed attempts if the request may be sent twice: at once on another instance if there is one, else after a
   * backoff with jitter. A budget bounds the share of retries. False: a single attempt.
   * @default 3 attempts in all, 1 s base delay
   */
  retry: policy<RetryOptions, typeof RETRY_OPTIONS>(RETRY_OPTIONS, {}),
  /**
   * Sends a second attempt to another instance while a slow one is under way, if the request may be sent twice. Hedges
   * spend the retry budget and count towards `retry.maxAttempts`.
   * @default false
   */
  hedging: policy<HedgingOptions, typeof HEDGING_OPTIONS>(HEDGING_OPTIONS),
  /** Limits concurrent calls of this process to a service; further calls wait or are refused. @default false */
  bulkhead: policy<BulkheadOptions, typeof BULKHEAD_OPTIONS>(BULKHEAD_OPTIONS),
  /** Limits concurrent calls of this process to a service to what the service is measured to handle. @default false */
  adaptiveConcurrency: policy<AdaptiveLimitOptions, typeof ADAPTIVE_LIMIT_OPTIONS>(ADAPTIVE_LIMIT_OPTIONS),
  /** Limits the rate of calls from this process to a service: `{ rate: 100, per: '1s' }`. @default false */
  rateLimit: policy<RateLimiterOptions, typeof RATE_LIMITER_OPTIONS>(RATE_LIMITER_OPTIONS),
  /** Drops a fraction of calls before they are sent while the service refuses too many. @default false */
  throttling: policy<ClientThrottleOptions, typeof CLIENT_THROTTLE_OPTIONS>(CLIENT_THROTTLE_OPTIONS),
  /**
   * Answers a failed GET with the last good response to the same request, up to a maximum age; keeps those responses in
   * memory. Requests are compared as for `coalescing`.
   * @default false
   */
  lastGood: policy<LastGoodOptions, typeof LAST_GOOD_OPTIONS>(LAST_GOOD_OPTIONS),
  /**
   * Injects faults into attempts, for tests. An `outcome` is a response: `{ status?, headers?, body? }`. @default false
   */
  chaos: policy<ChaosOptions, typeof CALL_CHAOS_OPTIONS>(CALL_CHAOS_OPTIONS),
});

/** How calls are balanced, limited and retried. Every option has a default. */
export interface CommunicatorOptions extends Partial<OptionsOf<typeof COMMUNICATOR_OPTIONS>> {}

/** Checked options, with durations in milliseconds; null where a stage is left out. */
export type ResolvedCommunicatorOptions = ResolvedOf<typeof COMMUNICATOR_OPTIONS>;
