import {
  type PickContext,
  type PickResult,
  selectEligible,
  selectServing,
  type SelectionCriteria,
} from '../../balancing/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { RetryBudget } from '../../resilience/index.js';
import { type CallSettings } from '../options/index.js';
import { type FedBalancer } from './balancers.js';
import { Place } from './instance-states.js';
import { type ServiceChannel } from './service-channel.js';
import { type SharedPolicies } from './shared-policies.js';

/** Why an instance cannot take a call just now. */
export type Refusal = 'circuit_open' | 'at_capacity';

/** One service as it is for those who call it by the same settings: whom they pick, and what refuses them. */
export class ServiceView {
  /** One for all callers whose budgets are alike; undefined where the settings have none. */
  readonly budget: RetryBudget | undefined;
  private readonly balancer: FedBalancer;

  constructor(
    private readonly channel: ServiceChannel,
    readonly settings: CallSettings,
  ) {
    const { balancers, shared, deps } = channel;
    this.balancer = balancers.of(settings.strategy);
    const options = settings.retry?.budget;
    if (options) this.budget = shared.of('budget', options, () => new RetryBudget(options, { clock: deps.clock }));
  }

  get shared(): SharedPolicies {
    return this.channel.shared;
  }

  get service(): string {
    return this.channel.service;
  }

  pick(context: PickContext): PickResult {
    return this.balancer.upToDate(this.channel.instances).pick(context);
  }

  /** Undefined when the instance can take a call. */
  refusal({ instanceId }: ServiceInstance): Refusal | undefined {
    const state = this.channel.states.find(instanceId);
    if (!state) return undefined;
    const { breakerKey, concurrency } = this.settings;
    if (state.breakers.get(breakerKey)?.canAcquire() === false) return 'circuit_open';
    return state.active >= concurrency ? 'at_capacity' : undefined;
  }

  /** A place for a call, or why there is none, of which `refusal` tells beforehand. */
  enter(instance: ServiceInstance): Place | Refusal {
    const { states } = this.channel;
    const { circuitBreaker, breakerKey, concurrency } = this.settings;
    const state = states.of(instance);
    if (state.active >= concurrency) return 'at_capacity';
    if (!circuitBreaker) return new Place(state, undefined);
    const permit = states.breaker(instance.instanceId, state, breakerKey, circuitBreaker).tryAcquire();
    return permit === null ? 'circuit_open' : new Place(state, permit);
  }

  /** Whether an instance that was not tried yet can take the call now. */
  hasUntried(tried: ReadonlySet<string>, criteria?: SelectionCriteria): boolean {
    const refusal = (instance: ServiceInstance): string | undefined =>
      tried.has(instance.instanceId) ? 'tried' : this.refusal(instance);
    return selectEligible(this.channel.instances, { ...criteria, refusal }).kind === 'eligible';
  }

  /**
   * Milliseconds until a circuit of those that could take the call lets it through; 0 where one does now, Infinity where
   * nobody can tell.
   */
  circuitWaitMs(criteria?: SelectionCriteria): number {
    let shortest = Number.POSITIVE_INFINITY;
    for (const { instanceId } of selectServing(this.channel.instances, criteria)) {
      const breaker = this.channel.states.find(instanceId)?.breakers.get(this.settings.breakerKey);
      if (!breaker || breaker.canAcquire()) return 0;
      shortest = Math.min(shortest, breaker.retryAfterMs ?? Number.POSITIVE_INFINITY);
    }
    return shortest;
  }
}
