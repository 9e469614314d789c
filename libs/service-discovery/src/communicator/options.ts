import { type Duration, OptionValidator } from '../common/index.js';
import { type LoadBalancing, mergeLoadBalancing, resolveLoadBalancing, strategyName } from '../balancing/index.js';
import {
  type CircuitBreakerOptions,
  type ResolvedCircuitBreakerOptions,
  resolveCircuitBreakerOptions,
  type ResolvedRetryOptions,
  resolveRetryOptions,
  type RetryOptions,
} from '../resilience/index.js';
import { type Tier, TIERS } from '../model/index.js';

/** How calls are balanced, bounded and repeated. Everything has a default. */
export interface CommunicatorOptions {
  /** @default 'round_robin' */
  loadBalancing?: LoadBalancing;
  /** A breaker for each instance; false: none. @default 5 consecutive failures open it for 60 s */
  circuitBreaker?: Partial<CircuitBreakerOptions> | false;
  /** False: one attempt only. @default 3 attempts in all */
  retry?: Partial<RetryOptions> | false;
  /**
   * For the whole call: 1 ms to 1 day. Less where the caller's own time ends sooner, by `ambientDeadline` or the request's
   * `x-request-deadline`.
   * @default '30s'
   */
  timeout?: Duration;
  /** For one attempt: 1 ms to 1 day, and not more than `timeout` where both are given. @default '10s' */
  attemptTimeout?: Duration;
  /** How many calls of this process may run at one instance at once: 1 to 1,000,000; false: no limit. @default false */
  concurrency?: number | false;
  /** Settings of a tier, over the module's own and under everything else given here. @default the service's tier */
  pattern?: Tier;
}

/** The one place of the communicator's defaults. */
export const DEFAULT_COMMUNICATOR_OPTIONS = {
  loadBalancing: 'round_robin',
  circuitBreaker: {},
  retry: {},
  timeout: '30s',
  attemptTimeout: '10s',
  concurrency: false,
} as const satisfies CommunicatorOptions;

/** How long a call may take, in milliseconds. */
export interface CallTimes {
  readonly timeoutMs: number;
  readonly attemptTimeoutMs: number;
}

/** What a call goes by: options with every default filled in, checked, in milliseconds. */
export interface CallSettings extends CallTimes {
  readonly strategy: LoadBalancing;
  readonly strategyName: string;
  readonly retry: ResolvedRetryOptions | null;
  readonly circuitBreaker: ResolvedCircuitBreakerOptions | null;
  /** Equal for equal breaker settings: communicators that agree on them share their breakers. */
  readonly breakerKey: string;
  /** Infinity: no limit. */
  readonly concurrency: number;
}

export const TIMEOUT_RANGE = { minMs: 1, maxMs: 86_400_000 };

/** Later layers win, option by option; inside `loadBalancing`, `retry` and `circuitBreaker`, value by value. */
export function mergeOptions(...layers: readonly (CommunicatorOptions | undefined)[]): CommunicatorOptions {
  const merged: CommunicatorOptions = {};
  for (const layer of layers) {
    if (!layer) continue;
    const { loadBalancing, circuitBreaker, retry, timeout, attemptTimeout, ...rest } = layer;
    for (const [option, value] of Object.entries(rest)) {
      if (value !== undefined) Object.assign(merged, { [option]: value });
    }
    // An attempt timeout of an earlier layer must not turn into a contradiction with a shorter timeout of this one.
    if (timeout !== undefined) merged.timeout = timeout;
    if (attemptTimeout !== undefined) merged.attemptTimeout = attemptTimeout;
    merged.loadBalancing = mergeLoadBalancing(merged.loadBalancing, loadBalancing);
    merged.circuitBreaker = mergePolicy(merged.circuitBreaker, circuitBreaker);
    merged.retry = mergePolicy(merged.retry, retry);
  }
  return merged;
}

function mergePolicy<T extends object>(
  base: T | false | undefined,
  over: T | false | undefined,
): T | false | undefined {
  if (over === undefined || over === false) return over ?? base;
  return { ...(base === false ? undefined : base), ...over };
}

/**
 * Checks options as a user gave them.
 * @param path prefix of the option's names in the error
 * @throws InvalidConfigurationError that lists everything wrong
 */
export function validateCommunicatorOptions(options: CommunicatorOptions, path = ''): void {
  const validator = new OptionValidator(path);
  const { loadBalancing, timeout, attemptTimeout, concurrency, pattern } = options;
  if (loadBalancing !== undefined) {
    validator.gather(() => resolveLoadBalancing(loadBalancing, { path: validator.pathOf('loadBalancing') }));
  }
  const timeoutMs = timeout === undefined ? undefined : validator.duration('timeout', timeout, TIMEOUT_RANGE);
  const attemptMs =
    attemptTimeout === undefined ? undefined : validator.duration('attemptTimeout', attemptTimeout, TIMEOUT_RANGE);
  if (timeoutMs !== undefined && attemptMs !== undefined && attemptMs > timeoutMs) {
    validator.problem('attemptTimeout', attemptTimeout, `at most the timeout of the whole call (${String(timeout)})`);
  }
  if (concurrency !== undefined && concurrency !== false) {
    validator.number('concurrency', concurrency, { min: 1, max: 1_000_000, integer: true });
  }
  if (pattern !== undefined) validator.oneOf('pattern', pattern, TIERS);
  validator.gather(() =>
    resolvePolicy(options.circuitBreaker, resolveCircuitBreakerOptions, validator.pathOf('circuitBreaker')),
  );
  validator.gather(() => resolvePolicy(options.retry, resolveRetryOptions, validator.pathOf('retry')));
  validator.throwIfAny();
}

/** Settings out of options that have been merged over the defaults. */
export function toSettings(options: CommunicatorOptions): CallSettings {
  const merged = mergeOptions(DEFAULT_COMMUNICATOR_OPTIONS, options);
  const durations = new OptionValidator();
  const timeoutMs = durations.duration('timeout', merged.timeout, TIMEOUT_RANGE);
  const attemptTimeoutMs = durations.duration('attemptTimeout', merged.attemptTimeout, TIMEOUT_RANGE);
  durations.throwIfAny();
  const circuitBreaker = resolvePolicy(merged.circuitBreaker, resolveCircuitBreakerOptions, 'circuitBreaker');
  const strategy = merged.loadBalancing ?? DEFAULT_COMMUNICATOR_OPTIONS.loadBalancing;
  return {
    strategy,
    strategyName: strategyName(strategy),
    timeoutMs,
    attemptTimeoutMs: Math.min(attemptTimeoutMs, timeoutMs),
    retry: resolvePolicy(merged.retry, resolveRetryOptions, 'retry'),
    circuitBreaker,
    breakerKey: JSON.stringify(circuitBreaker),
    concurrency:
      merged.concurrency === false || merged.concurrency === undefined ? Number.POSITIVE_INFINITY : merged.concurrency,
  };
}

function resolvePolicy<Options, Resolved>(
  options: Options | false | undefined,
  resolve: (options: Options | undefined, path: string) => Resolved,
  path: string,
): Resolved | null {
  return options === false ? null : resolve(options, path);
}
