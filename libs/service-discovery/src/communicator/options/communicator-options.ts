import { type Duration } from '../../common/index.js';
import { type LoadBalancing } from '../../balancing/index.js';
import { type Tier } from '../../model/index.js';
import { type PolicyOptions } from './policies.js';

/** How calls are balanced, limited and retried. Every option has a default. */
export interface CommunicatorOptions extends PolicyOptions {
  /**
   * Which instance gets a call: a strategy, or `{ strategy, … }` with options such as `failOpen`, `slowStart` and `zone`.
   * `SERVICE_DISCOVERY_DEFAULT_LOAD_BALANCING` in the environment.
   * - `round_robin`: in turn
   * - `weighted_round_robin`: in turn, each as often as its weight says
   * - `random`: by chance, in proportion to the weights
   * - `least_connections`: the one with the fewest calls in flight for its weight
   * - `p2c_ewma`: the better of two taken by chance, by latency and calls in flight
   * - `consistent_hash`, `maglev`: the same instance for the same `key`
   * - `ip_hash`: the same instance for the same client address
   * @default 'round_robin'
   */
  loadBalancing?: LoadBalancing;
  /**
   * Timeout of the whole call, including all attempts and the waits between them: 1 ms to 1 day. Shorter if the
   * caller's own deadline, from `ambientDeadline` or the request's `x-request-deadline`, is earlier.
   * @default '30s'
   */
  timeout?: Duration;
  /**
   * Timeout of one attempt: 1 ms to 1 day, at most `timeout` if both are given.
   * @default '10s'; if less is left of the call, half of that while another instance can be tried
   */
  attemptTimeout?: Duration;
  /** Maximum concurrent calls of this process to one instance: 1 to 1,000,000; false: no limit. @default false */
  concurrency?: number | false;
  /**
   * Coalesces identical concurrent GETs into one call: the same path, query, criteria, key and headers, except tracing
   * headers. The response is buffered, and each caller gets a copy. A response with `set-cookie`, or with
   * `cache-control: private` or `no-store`, goes to one caller only; the others make their own calls. Needs a transport
   * that adds no headers (`Transport.sendsAsGiven`).
   * @default false
   */
  coalescing?: boolean;
  /**
   * How long a call waits for a service that has not been registered since the start, 1 ms to 1 minute, if the call
   * begins within 10 s of the registry's first answer: callers often start just before the service. Counts towards
   * `timeout`. False: fails at once.
   * @default '2s'
   */
  waitForFirst?: Duration | false;
  /**
   * The tier pattern to apply over the module's options and under the other options given here: `web`, `app`, `data`,
   * `ml`, `monitoring`, or a name of `patterns`.
   * @default that of the service's tier
   */
  pattern?: Tier;
}

/** The defaults of all communicator options. */
export const DEFAULT_COMMUNICATOR_OPTIONS = {
  loadBalancing: 'round_robin',
  circuitBreaker: {},
  serviceCircuitBreaker: false,
  outlierDetection: false,
  retry: {},
  hedging: false,
  timeout: '30s',
  attemptTimeout: '10s',
  concurrency: false,
  bulkhead: false,
  adaptiveConcurrency: false,
  rateLimit: false,
  throttling: false,
  coalescing: false,
  waitForFirst: '2s',
  lastGood: false,
  chaos: false,
} as const satisfies CommunicatorOptions;
