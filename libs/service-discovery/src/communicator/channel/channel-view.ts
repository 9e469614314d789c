import {
  type BalancingExplanation,
  type PickContext,
  type PickResult,
  type Refusal,
  selectEligible,
  type SelectionCriteria,
  selectServing,
  tagsOf,
} from '../../balancing/index.js';
import { type ServiceInstance } from '../../model/index.js';
import {
  AdaptiveLimit,
  Bulkhead,
  CIRCUIT_BREAKER_OPTIONS,
  type CircuitBreaker,
  ClientThrottle,
  HedgeDelay,
  type OutlierDetector,
  RateLimiter,
  type ResolvedCircuitBreakerOptions,
  RETRY_BUDGET_OPTIONS,
  RetryBudget,
} from '../../resilience/index.js';
import { type CallSettings } from '../options/index.js';
import { type FedBalancer } from './balancers.js';
import { Place } from './instance-states.js';
import { type ServiceChannel } from './service-channel.js';

/** One service as seen by callers with the same settings: what they may pick, and what refuses their calls. */
export class ChannelView {
  readonly limits: ServiceLimits;
  /** Undefined if the settings have no outlier detection. */
  readonly outliers: OutlierDetector | undefined;
  private readonly balancer: FedBalancer;

  /** Undefined if the instance can take a call. */
  readonly refusal = ({ instanceId }: ServiceInstance): Refusal | undefined => {
    const state = this.channel.states.find(instanceId);
    if (!state) return undefined;
    const { breakerKey, concurrency } = this.settings;
    if (state.breakers.refuses(breakerKey)) return 'circuit_open';
    return state.active >= concurrency ? 'at_capacity' : undefined;
  };

  constructor(
    readonly channel: ServiceChannel,
    readonly settings: CallSettings,
  ) {
    const { balancers, outliers } = channel;
    const { outlierDetection, strategy } = settings;
    this.limits = serviceLimitsOf(channel, settings);
    this.balancer = balancers.of(strategy);
    this.outliers = outlierDetection ? outliers.of(outlierDetection) : undefined;
  }

  get service(): string {
    return this.channel.service;
  }

  pick(context: PickContext): PickResult {
    const { instances, gatewaySplit, versionShare } = this.channel;
    const balancer = this.balancer.upToDate(instances, versionShare);
    return gatewaySplit ? gatewaySplit.pick(context, balancer) : balancer.pick(context);
  }

  /** What a pick would consider. A custom balancer without `explain` is assumed to use the usual filters. */
  explain(context: PickContext): BalancingExplanation {
    const { instances, gatewaySplit, versionShare, balancers } = this.channel;
    const told = this.balancer.upToDate(instances, versionShare).explain?.(context);
    const direct = told ?? balancers.explainFilters(this.settings.strategy, instances, context, versionShare);
    return gatewaySplit?.explain(direct, context) ?? direct;
  }

  /** Reserves a slot for a call, or says why not, as `refusal` would. */
  enter(instance: ServiceInstance): Place | Refusal {
    const state = this.channel.states.of(instance);
    const { circuitBreaker, breakerKey, concurrency } = this.settings;
    if (state.active >= concurrency) return 'at_capacity';
    if (!circuitBreaker && !state.breakers.refuses(breakerKey)) return new Place(state, undefined, this.outliers);
    if (!circuitBreaker) return 'circuit_open';
    const permit = state.breakers.of(breakerKey, circuitBreaker).tryAcquire();
    return permit === null ? 'circuit_open' : new Place(state, permit, this.outliers);
  }

  /** Whether a pick would now find an instance that the call has not tried. */
  hasUntried(context: PickContext): boolean {
    const { exclude, refusal } = context;
    const { instances, gatewaySplit, versionShare } = this.channel;
    const eligible = selectEligible(instances, context, this.settings.balancing, versionShare);
    const direct = eligible.kind === 'eligible' ? eligible.instances : [];
    const all = gatewaySplit?.among(direct, context) ?? direct;
    return all.some(
      (one) => exclude?.has(one.instanceId) !== true && (one !== gatewaySplit?.gateway || !refusal?.(one)),
    );
  }

  /**
   * Milliseconds until the circuit of an eligible instance lets a call through; 0 if one does now, Infinity if unknown.
   */
  circuitWaitMs(criteria?: SelectionCriteria): number {
    let shortest = Number.POSITIVE_INFINITY;
    const { breakerKey, balancing } = this.settings;
    const { instances, gatewaySplit } = this.channel;
    const direct = selectServing(instances, criteria, balancing.failOpen);
    const serving = gatewaySplit?.among(direct, { ...criteria, tags: criteria && tagsOf(criteria) }) ?? direct;
    for (const { instanceId } of serving) {
      const breakers = this.channel.states.find(instanceId)?.breakers;
      if (!breakers?.refuses(breakerKey)) return 0;
      shortest = Math.min(shortest, breakers.find(breakerKey)?.retryAfterMs ?? Number.POSITIVE_INFINITY);
    }
    return shortest;
  }
}

/** Limits for calls to the service as a whole; undefined where the settings leave them out. */
interface ServiceLimits {
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
function serviceLimitsOf(channel: ServiceChannel, settings: CallSettings): ServiceLimits {
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
