import {
  AdaptiveLimit,
  Bulkhead,
  type CircuitBreaker,
  ClientThrottle,
  RETRY_BUDGET_OPTIONS,
  HedgeDelay,
  RateLimiter,
  CIRCUIT_BREAKER_OPTIONS,
  type ResolvedCircuitBreakerOptions,
  RetryBudget,
} from '../../resilience/index.js';
import { type CallSettings } from '../options/index.js';
import { type ServiceChannel } from './service-channel.js';

/** Limits for calls to the service as a whole; undefined where the settings leave them out. */
export interface ServiceLimits {
  readonly rateLimit: RateLimiter | undefined;
  readonly throttling: ClientThrottle | undefined;
  readonly bulkhead: Bulkhead | undefined;
  readonly adaptive: AdaptiveLimit | undefined;
  readonly breaker: { readonly breaker: CircuitBreaker; readonly options: ResolvedCircuitBreakerOptions } | undefined;
  /** Shared by retries and hedges. */
  readonly budget: RetryBudget | undefined;
  readonly hedgeDelay: HedgeDelay | undefined;
}

/** Each limit is shared by all callers with equal settings for it. */
export function serviceLimitsOf(channel: ServiceChannel, settings: CallSettings): ServiceLimits {
  const { shared, service: name, deps } = channel;
  const { rateLimit, throttling, bulkhead, adaptiveConcurrency: adaptive, hedging } = settings;
  const budget = budgetOf(settings);
  const own = { ...deps, name };
  return {
    rateLimit: rateLimit ? shared.of('rateLimit', rateLimit, () => new RateLimiter(rateLimit, own)) : undefined,
    throttling: throttling ? shared.of('throttling', throttling, () => new ClientThrottle(throttling, own)) : undefined,
    bulkhead: bulkhead ? shared.of('bulkhead', bulkhead, () => new Bulkhead(bulkhead, own)) : undefined,
    adaptive: adaptive ? shared.of('adaptive', adaptive, () => new AdaptiveLimit(adaptive, own)) : undefined,
    breaker: breakerOf(channel, settings),
    budget: budget ? shared.of('budget', budget, () => new RetryBudget(budget, deps)) : undefined,
    hedgeDelay: hedging ? shared.of('hedging', hedging, () => new HedgeDelay(hedging, deps.clock)) : undefined,
  };
}

/** The breaker of the service, even if it exists only because an operator forces its state. */
function breakerOf({ breakers }: ServiceChannel, settings: CallSettings): ServiceLimits['breaker'] {
  if (!settings.serviceCircuitBreaker && !breakers.isForced) return undefined;
  const options = settings.serviceCircuitBreaker ?? CIRCUIT_BREAKER_OPTIONS.resolve();
  return { breaker: breakers.of(settings.serviceBreakerKey, options), options };
}

/** Hedges spend the budget even if retries are off. */
function budgetOf({ retry, hedging }: CallSettings): ConstructorParameters<typeof RetryBudget>[0] | false {
  if (retry) return retry.budget;
  return hedging ? RETRY_BUDGET_OPTIONS.defaults : false;
}
