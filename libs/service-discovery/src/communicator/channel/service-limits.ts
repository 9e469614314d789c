import {
  AdaptiveLimit,
  Bulkhead,
  type CircuitBreaker,
  ClientThrottle,
  DEFAULT_RETRY_BUDGET_OPTIONS,
  HedgeDelay,
  RateLimiter,
  resolveCircuitBreakerOptions,
  type ResolvedCircuitBreakerOptions,
  RetryBudget,
} from '../../resilience/index.js';
import { type CallSettings } from '../options/index.js';
import { type ServiceChannel } from './service-channel.js';

/** What limits the calls to a service as a whole, by the same settings; undefined where they leave it out. */
export interface ServiceLimits {
  readonly rateLimit: RateLimiter | undefined;
  readonly throttling: ClientThrottle | undefined;
  readonly bulkhead: Bulkhead | undefined;
  readonly adaptive: AdaptiveLimit | undefined;
  readonly breaker: { readonly breaker: CircuitBreaker; readonly options: ResolvedCircuitBreakerOptions } | undefined;
  /** For retries and hedges alike. */
  readonly budget: RetryBudget | undefined;
  readonly hedgeDelay: HedgeDelay | undefined;
}

/** Each is one for all whose settings of it are the same. */
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

/** The breaker of the service, also where it is only there because somebody holds it by hand. */
function breakerOf({ breakers }: ServiceChannel, settings: CallSettings): ServiceLimits['breaker'] {
  if (!settings.serviceCircuitBreaker && !breakers.isForced) return undefined;
  const options = settings.serviceCircuitBreaker ?? resolveCircuitBreakerOptions();
  return { breaker: breakers.of(settings.serviceBreakerKey, options), options };
}

/** Hedges are paid for also where nothing is retried. */
function budgetOf({ retry, hedging }: CallSettings): ConstructorParameters<typeof RetryBudget>[0] | false {
  if (retry) return retry.budget;
  return hedging ? DEFAULT_RETRY_BUDGET_OPTIONS : false;
}
