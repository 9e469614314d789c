import {
  type BalancingExplanation,
  type PickContext,
  type PickResult,
  type Refusal,
  selectEligible,
  selectServing,
  type SelectionCriteria,
} from '../../balancing/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { type OutlierDetector } from '../../resilience/index.js';
import { type CallSettings } from '../options/index.js';
import { type FedBalancer } from './balancers.js';
import { Place } from './instance-states.js';
import { type ServiceChannel } from './service-channel.js';
import { type ServiceLimits, serviceLimitsOf } from './service-limits.js';

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
    return this.balancer.upToDate(this.channel.instances).pick(context);
  }

  /** What a pick would consider. A custom balancer without `explain` is assumed to use the usual filters. */
  explain(context: PickContext): BalancingExplanation {
    const { instances } = this.channel;
    const told = this.balancer.upToDate(instances).explain?.(context);
    return told ?? this.channel.balancers.explainFilters(this.settings.strategy, instances, context);
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
    const { exclude } = context;
    const eligible = selectEligible(this.channel.instances, context, this.settings.balancing);
    return (
      eligible.kind === 'eligible' && eligible.instances.some(({ instanceId }) => exclude?.has(instanceId) !== true)
    );
  }

  /**
   * Milliseconds until the circuit of an eligible instance lets a call through; 0 if one does now, Infinity if unknown.
   */
  circuitWaitMs(criteria?: SelectionCriteria): number {
    let shortest = Number.POSITIVE_INFINITY;
    const { breakerKey, balancing } = this.settings;
    for (const { instanceId } of selectServing(this.channel.instances, criteria, balancing.failOpen)) {
      const breakers = this.channel.states.find(instanceId)?.breakers;
      if (!breakers?.refuses(breakerKey)) return 0;
      shortest = Math.min(shortest, breakers.find(breakerKey)?.retryAfterMs ?? Number.POSITIVE_INFINITY);
    }
    return shortest;
  }
}
