import { types } from 'node:util';
import {
  callKeyOf,
  describeValue,
  raceAbort,
  ServiceDiscoveryError,
  systemClock,
  systemRandom,
  TimerWheel,
  type Clock,
  type Random,
} from '../../common/index.js';
import { SILENT, type EventSink } from '../../model/index.js';
import { CircuitBreaker } from '../circuit-breaker/circuit-breaker.js';
import { reportCircuit } from '../circuit-breaker/circuit-events.js';
import {
  resolveResiliencePolicyOptions,
  type Fallback,
  type ResiliencePolicyOptions,
  type ResolvedResiliencePolicyOptions,
} from './resilience-policy-options.js';
import { DEFAULT_RETRY_BUDGET_OPTIONS, RetryBudget } from '../retry/retry-budget.js';
import { AdaptiveConcurrencyStage } from '../adaptive-concurrency/adaptive-concurrency-stage.js';
import { AttemptTimeoutStage } from '../deadline/attempt-timeout-stage.js';
import { BulkheadStage } from '../bulkhead/bulkhead-stage.js';
import { ChaosStage } from '../chaos/chaos-stage.js';
import { CircuitBreakerStage } from '../circuit-breaker/circuit-breaker-stage.js';
import { CoalescingStage } from '../coalescing/coalescing-stage.js';
import { DeadlineStage } from '../deadline/deadline-stage.js';
import { HedgingStage } from '../hedging/hedging-stage.js';
import { LastGoodStage } from '../stale-answers/last-good-stage.js';
import { RateLimitStage } from '../rate-limit/rate-limit-stage.js';
import { RetryStage } from '../retry/retry-stage.js';
import { type Next, type PolicyCall, type Stage, type StageDescription, type TimeStageDeps } from './stage.js';
import { ThrottlingStage } from '../throttling/throttling-stage.js';

export interface ResiliencePolicyDeps {
  /** @default the system's clock */
  clock?: Clock;
  /** Draws the jitter of delays, and what chaos does. @default the runtime's generator */
  random?: Random;
  /** Hears `circuit.*`, `call.refused`, `call.retried`, `call.hedged` and `call.answered_stale`. @default nobody */
  events?: EventSink;
  /** What the policy protects: the `service` of its events and errors. @default 'policy' */
  name?: string;
  /**
   * Pays for retries and hedges, in place of a budget of the policy's own: shared by policies that call the same service,
   * it bounds them together. With `retry.budget: false` it is not asked.
   * @default a budget of the policy's own, by `retry.budget`
   */
  retryBudget?: RetryBudget;
}

/**
 * Resilience around any async function, in this order of stages, of which each may be left out:
 * fallback → last good answer → coalescing → deadline → rate limit → throttling → bulkhead → adaptive concurrency → retry → hedging → circuit breaker →
 * attempt timeout → chaos → the function.
 *
 * One policy belongs to one thing that can fail and is shared by all calls of it: circuit, slots and retry budget are
 * the policy's, not a call's. Several policies may share a retry budget.
 */
export class ResiliencePolicy {
  readonly circuitBreaker?: CircuitBreaker;
  private readonly stages: readonly Stage[];
  private readonly fallback: Fallback | undefined;

  /** @throws InvalidConfigurationError naming every wrong option */
  constructor(options: ResiliencePolicyOptions = {}, deps: ResiliencePolicyDeps = {}) {
    const resolved = resolveResiliencePolicyOptions(options);
    const { clock = systemClock, random = systemRandom, events = SILENT, name = 'policy' } = deps;
    if (resolved.circuitBreaker) {
      const onStateChange = reportCircuit(events, { service: name });
      const { classify } = resolved;
      this.circuitBreaker = new CircuitBreaker(resolved.circuitBreaker, {
        clock,
        random,
        name,
        onStateChange,
        classify,
      });
    }
    this.fallback = resolved.fallback;
    const budget = budgetOf(resolved, { clock, shared: deps.retryBudget });
    this.stages = buildStages(
      resolved,
      { breaker: this.circuitBreaker, budget },
      {
        clock,
        random,
        events,
        name,
        timers: new TimerWheel(clock),
      },
    );
  }

  /**
   * Calls `fn`, which may return a promise or a value, through all stages. When the call is over (aborted, out of time) it rejects at once, even if `fn` goes on;
   * `fn` is given a signal so that it can stop too.
   *
   * The error that ends the call carries `attempts`, how often `fn` was called (0: it was refused), as far as an error
   * can carry it: not where the caller's own abort is the error.
   * @param signal the caller's: an abort ends the call with the signal's reason, and no fallback follows
   * @param fallback in place of the policy's own fallback, such as one that knows this call's arguments
   * @param key what coalescing and last good answers go by: equal for calls that may share an answer, so it tells apart
   * whatever the answer depends on, above all who asks. Without a key (nothing, null, an empty text) neither applies
   * @throws ServiceDiscoveryError `INVALID_REQUEST` for a key that is no text; what `fn` throws last; DeadlineExceededError, with the last attempt's error as its cause; AttemptTimeoutError;
   * RateLimitedError; ThrottledError; BulkheadFullError; ConcurrencyLimitedError; CircuitOpenError; the signal's reason; what the fallback throws
   */
  async execute<T>(
    fn: (signal: AbortSignal) => Promise<T> | T,
    signal?: AbortSignal,
    fallback?: Fallback,
    key?: string,
  ): Promise<T> {
    checkSignal(signal);
    signal?.throwIfAborted();
    const callKey = callKeyOf(key, 'key');
    const call: PolicyCall = {
      signal: signal ?? new AbortController().signal,
      deadline: Infinity,
      key: callKey,
      progress: { attempts: 0, hedges: 0 },
    };
    try {
      return await this.runStages(call, fn);
    } catch (error) {
      if (signal?.aborted) throw error;
      noteAttempts(error, call.progress.attempts);
      const answer = fallback ?? this.fallback;
      if (!answer) throw error;
      return await raceAbort(answer(error) as Promise<T> | T, call.signal);
    }
  }

  /** The stages that the policy has, outermost first. */
  describe(): StageDescription[] {
    const stages = this.stages.map(({ description }) => description);
    if (!this.fallback) return stages;
    const purpose = 'Answers in place of an error. Outside of everything, so that it answers for whatever went wrong.';
    return [{ stage: 'fallback', purpose, options: {} }, ...stages];
  }

  private runStages<T>(call: PolicyCall, fn: (signal: AbortSignal) => Promise<T> | T): Promise<T> {
    const attempt: Next<T> = async ({ signal, progress }) => {
      signal.throwIfAborted();
      progress.attempts++;
      return raceAbort(fn(signal), signal);
    };
    return this.stages.reduceRight<Next<T>>((next, stage) => (inner) => stage.run(inner, next), attempt)(call);
  }
}

function budgetOf(
  { retry, hedging }: ResolvedResiliencePolicyOptions,
  { clock, shared }: { readonly clock: Clock; readonly shared: RetryBudget | undefined },
): RetryBudget | undefined {
  const options = retry ? retry.budget : hedging && DEFAULT_RETRY_BUDGET_OPTIONS;
  return options ? (shared ?? new RetryBudget(options, { clock })) : undefined;
}

/** What all calls of a policy share, and several of its stages. */
interface SharedParts {
  readonly breaker: CircuitBreaker | undefined;
  readonly budget: RetryBudget | undefined;
}

function buildStages(
  options: ResolvedResiliencePolicyOptions,
  { breaker, budget }: SharedParts,
  deps: Required<Omit<ResiliencePolicyDeps, 'retryBudget'>> & TimeStageDeps,
): Stage[] {
  const {
    lastGood,
    coalescing,
    timeout,
    rateLimit,
    throttling,
    bulkhead,
    adaptiveConcurrency,
    retry,
    retryIf,
    hedging,
    classify,
  } = options;
  const { circuitBreaker, attemptTimeout, chaos } = options;
  const stages: Stage[] = [];
  if (lastGood) stages.push(new LastGoodStage(lastGood, { ...deps, classify }));
  if (coalescing) stages.push(new CoalescingStage());
  if (timeout !== undefined) stages.push(new DeadlineStage(timeout, deps));
  if (rateLimit) stages.push(new RateLimitStage(rateLimit, deps));
  if (throttling) stages.push(new ThrottlingStage(throttling, deps));
  if (bulkhead) stages.push(new BulkheadStage(bulkhead, deps));
  if (adaptiveConcurrency) stages.push(new AdaptiveConcurrencyStage(adaptiveConcurrency, deps));
  if (retry) stages.push(new RetryStage(retry, retryIf, { ...deps, budget, classify }));
  if (hedging) stages.push(new HedgingStage(hedging, { ...deps, budget, retry, classify }));
  if (breaker && circuitBreaker) stages.push(new CircuitBreakerStage(breaker, circuitBreaker));
  if (attemptTimeout !== undefined) stages.push(new AttemptTimeoutStage(attemptTimeout, deps));
  if (chaos) stages.push(new ChaosStage(chaos, deps));
  return stages;
}

/**
 * Tells an error how many attempts were made. Where the error brought a count from a call inside `fn`, that one stays
 * unless this policy itself made several. On errors of others the property is hidden from listings.
 */
function noteAttempts(error: unknown, attempts: number): void {
  if (!types.isNativeError(error) || !Object.isExtensible(error)) return;
  const known: unknown = Reflect.get(error, 'attempts');
  if (typeof known === 'number' && attempts <= 1) return;
  if (error instanceof ServiceDiscoveryError) error.attempts = attempts;
  else Reflect.defineProperty(error, 'attempts', { value: attempts, writable: true, configurable: true });
}

/** The key comes last, so that in JavaScript it is soon given in the signal's place. */
function checkSignal(signal: unknown): void {
  if (signal === undefined || signal === null) return;
  if (typeof (signal as Partial<AbortSignal>).throwIfAborted === 'function') return;
  throw new ServiceDiscoveryError(
    'INVALID_REQUEST',
    `signal: expected an AbortSignal, but got ${describeValue(signal)}`,
  );
}
