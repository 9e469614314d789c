import { type Duration } from '../../common/index.js';
import { type LoadBalancing } from '../../balancing/index.js';
import { type Tier } from '../../model/index.js';
import { type PolicyOptions } from './policies.js';

/** How calls are balanced, bounded and repeated. Everything has a default. */
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
   * The time for the whole call, all attempts and the waits between them: 1 ms to 1 day. Less where the caller's own time ends sooner, by `ambientDeadline` or the request's
   * `x-request-deadline`.
   * @default '30s'
   */
  timeout?: Duration;
  /**
   * The time for one attempt: 1 ms to 1 day, and not more than `timeout` where both are given.
   * @default '10s'; where less is left of the call, half of what is left while another instance can be tried
   */
  attemptTimeout?: Duration;
  /** How many calls of this process may run at one instance at once: 1 to 1,000,000; false: no limit. @default false */
  concurrency?: number | false;
  /**
   * Makes one call of GETs that are the same and overlap. The same is what agrees in path, query, criteria, key and all
   * headers, those apart that tell calls apart for tracing. The answer is read into memory, and each caller gets its own.
   * An answer with `set-cookie`, or with `cache-control: private` or `no-store`, is given to one caller only; the others make
   * calls of their own. Needs a transport that adds no headers (`Transport.sendsAsGiven`).
   * @default false
   */
  coalescing?: boolean;
  /**
   * How long a call waits for a service that was never registered since the start, 1 ms to 1 minute, where the call begins
   * within 10 s of the registry's first answer: callers often start a moment before the service. The time counts
   * towards `timeout`. False: it fails at once.
   * @default '2s'
   */
  waitForFirst?: Duration | false;
  /**
   * The tier pattern whose settings apply, over the module's own and under all else that is given here: `web`, `app`, `data`,
   * `ml`, `monitoring`, or a name of `patterns`.
   * @default that of the service's tier
   */
  pattern?: Tier;
}

/** The one place of the communicator's defaults. */
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
