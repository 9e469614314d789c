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
import { AdaptiveConcurrencyStage, AdaptiveLimit } from '../adaptive-concurrency/adaptive-limit.js';
import { Bulkhead, BulkheadStage } from '../bulkhead/bulkhead.js';
import { ChaosPolicy, ChaosStage } from '../chaos/chaos-policy.js';
import { CircuitBreaker, CircuitBreakerStage } from '../circuit-breaker/circuit-breaker.js';
import { reportCircuit } from '../circuit-breaker/circuit-view.js';
import { CoalescingStage, Flights } from '../coalescing/coalescer.js';
import { AttemptTimeoutStage, DeadlineStage } from '../deadline/deadline-stages.js';
import { HedgeDelay } from '../hedging/hedge-delay.js';
import { HedgedAttempts } from '../hedging/hedge.js';
import { RateLimiter, RateLimitStage } from '../rate-limit/rate-limiter.js';
import { RETRY_BUDGET_OPTIONS, RetryBudget } from '../retry/retry-budget.js';
import { RetryStage } from '../retry/retry-stage.js';
import { LastGoodCache, LastGoodStage } from '../stale-answers/last-good-cache.js';
import { ClientThrottle, ThrottlingStage } from '../throttling/client-throttle.js';
import { type FunctionAttempt, FunctionAttempts, PolicyCall, type PolicyCallDeps } from './policy-call.js';
import {
  resolveResiliencePolicyOptions,
  type Fallback,
  type ResiliencePolicyOptions,
  type ResolvedResiliencePolicyOptions,
} from './resilience-policy-options.js';
import { chain, type Next, type Stage, type StageDescription } from './stage.js';

export interface ResiliencePolicyDeps {
  /** @default the system's clock */
  clock?: Clock;
  /** For the jitter of delays and for chaos. @default the runtime's generator */
  random?: Random;
  /** Receives `circuit.*`, `call.refused`, `call.retried`, `call.hedged` and `call.answered_stale`. @default none */
  events?: EventSink;
  /** Name of the callee: `service` in events and errors. @default 'policy' */
  name?: string;
  /**
   * Limits retries and hedges in place of the policy's own budget: shared by policies that call the same service, it
   * bounds them together. Not used with `retry.budget: false`.
   * @default a budget of the policy's own, by `retry.budget`
   */
  retryBudget?: RetryBudget;
}

/**
 * Resilience around any async function. The stages in their order, each of them optional:
 * fallback → last good answer → coalescing → deadline → rate limit → throttling → bulkhead → adaptive concurrency → retry → hedging → circuit breaker →
 * attempt timeout → chaos → the function.
 *
 * Create one policy per dependency and share it among all calls to that: circuit, slots and retry budget belong to the
 * policy, not to a call. Several policies may share a retry budget.
 */
export class ResiliencePolicy {
  readonly circuitBreaker?: CircuitBreaker;
  private readonly deps: PolicyCallDeps;
  private readonly outermost: Next<PolicyCall, unknown>;
  private readonly stages: readonly StageDescription[];
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
    this.deps = { clock, events, name, timers: new TimerWheel(clock) };
    const budget = budgetOf(resolved, { clock, shared: deps.retryBudget });
    const parts: PipelineParts = { ...this.deps, random, budget, breaker: this.circuitBreaker };
    const stages = callStages(resolved, parts);
    const attemptStages = stagesOfAttempt(resolved, parts);
    const { innermost, descriptions } = attemptsOf(resolved, attemptStages, parts);
    this.outermost = chain(stages, innermost);
    this.stages = [
      ...stages.map(({ description }) => description),
      ...descriptions,
      ...attemptStages.map(({ description }) => description),
    ];
  }

  /**
   * Calls `fn`, which may return a promise or a value, through all stages. When the call is aborted or out of time it
   * rejects at once, even if `fn` continues; the signal that `fn` receives tells it to stop, too.
   *
   * The error that ends the call carries `attempts`, how often `fn` was called (0: it was refused), as far as an error
   * can carry it: not where the caller's own abort is the error.
   * @param signal the caller's: an abort ends the call with the signal's reason, and no fallback follows
   * @param fallback replaces the policy's own fallback, such as one that knows this call's arguments
   * @param key for coalescing and last good answers: equal for calls that may share an answer, so it must cover everything
   * that the answer depends on, above all who asks. Without a key (nothing, null, an empty text) neither applies
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
    const call = new PolicyCall(fn, callKey, signal, this.deps);
    try {
      return (await this.outermost.run(call)) as T;
    } catch (error) {
      if (signal?.aborted) throw error;
      noteAttempts(error, call.attempts);
      const answer = fallback ?? this.fallback;
      if (!answer) throw error;
      const answered = answer(error) as Promise<T> | T;
      return await (signal ? raceAbort(answered, signal) : answered);
    } finally {
      call.end();
    }
  }

  /** The stages of the policy, outermost first. */
  describe(): StageDescription[] {
    if (!this.fallback) return [...this.stages];
    const purpose = 'Answers in place of an error. Outermost, so that it covers every error.';
    return [{ stage: 'fallback', purpose, options: {} }, ...this.stages];
  }
}

function budgetOf(
  { retry, hedging }: ResolvedResiliencePolicyOptions,
  { clock, shared }: { readonly clock: Clock; readonly shared: RetryBudget | undefined },
): RetryBudget | undefined {
  const options = retry ? retry.budget : hedging && RETRY_BUDGET_OPTIONS.defaults;
  return options ? (shared ?? new RetryBudget(options, { clock })) : undefined;
}

/** What the stages of a policy are made of. */
interface PipelineParts extends PolicyCallDeps {
  readonly random: Random;
  readonly breaker: CircuitBreaker | undefined;
  readonly budget: RetryBudget | undefined;
}

/** The stages around all attempts of a call, outermost first. */
function callStages(options: ResolvedResiliencePolicyOptions, parts: PipelineParts): Stage<PolicyCall>[] {
  const { lastGood, coalescing, timeout, rateLimit, throttling, bulkhead, adaptiveConcurrency, classify } = options;
  const stages: Stage<PolicyCall>[] = [];
  if (lastGood) stages.push(new LastGoodStage(lastGood, new LastGoodCache(lastGood, parts), classify));
  if (coalescing) stages.push(new CoalescingStage(new Flights()));
  if (timeout !== undefined) stages.push(new DeadlineStage(timeout));
  if (rateLimit) stages.push(new RateLimitStage(rateLimit, new RateLimiter(rateLimit, parts)));
  if (throttling) stages.push(new ThrottlingStage(throttling, new ClientThrottle(throttling, parts)));
  if (bulkhead) stages.push(new BulkheadStage(bulkhead, new Bulkhead(bulkhead, parts)));
  if (adaptiveConcurrency) {
    const limit = new AdaptiveLimit(adaptiveConcurrency, parts);
    stages.push(new AdaptiveConcurrencyStage(adaptiveConcurrency, limit));
  }
  return stages;
}

/** The stages around each attempt, outermost first. */
function stagesOfAttempt(
  { circuitBreaker, attemptTimeout, chaos }: ResolvedResiliencePolicyOptions,
  parts: PipelineParts,
): Stage<FunctionAttempt>[] {
  const { breaker } = parts;
  const stages: Stage<FunctionAttempt>[] = [];
  if (breaker && circuitBreaker) stages.push(new CircuitBreakerStage(breaker, circuitBreaker));
  if (attemptTimeout !== undefined) stages.push(new AttemptTimeoutStage(attemptTimeout, parts));
  if (chaos) stages.push(new ChaosStage(chaos, new ChaosPolicy(chaos, parts)));
  return stages;
}

/** The attempts with their retries and hedges, and the descriptions of those. */
function attemptsOf(
  { retry, retryIf, hedging, classify }: ResolvedResiliencePolicyOptions,
  stages: readonly Stage<FunctionAttempt>[],
  parts: PipelineParts,
): { innermost: Next<PolicyCall, unknown>; descriptions: StageDescription[] } {
  const { clock, budget } = parts;
  const driver = new FunctionAttempts(stages, { retry, retryIf, classify }, clock);
  const hedged =
    hedging &&
    new HedgedAttempts(hedging, driver, {
      clock,
      budget,
      delay: new HedgeDelay(hedging, clock),
      maxAttempts: retry?.maxAttempts ?? Number.POSITIVE_INFINITY,
    });
  const innermost = new RetryStage(retry, driver, { ...parts, hedged });
  return { innermost, descriptions: innermost.describe() };
}

/**
 * Sets `attempts` on an error. A count from a call inside `fn` stays unless this policy itself made several attempts. On
 * foreign errors the property is not enumerable.
 */
function noteAttempts(error: unknown, attempts: number): void {
  if (!types.isNativeError(error) || !Object.isExtensible(error)) return;
  const known: unknown = Reflect.get(error, 'attempts');
  if (typeof known === 'number' && attempts <= 1) return;
  if (error instanceof ServiceDiscoveryError) error.attempts = attempts;
  else Reflect.defineProperty(error, 'attempts', { value: attempts, writable: true, configurable: true });
}

/** In JavaScript the key is easily passed in the signal's place. */
function checkSignal(signal: unknown): void {
  if (signal === undefined || signal === null) return;
  if (typeof (signal as Partial<AbortSignal>).throwIfAborted === 'function') return;
  throw new ServiceDiscoveryError(
    'INVALID_REQUEST',
    `signal: expected an AbortSignal, but got ${describeValue(signal)}`,
  );
}
