import { type BalancingExplanation, type InstanceExplanation } from '../balancing/index.js';
import { isHttp, type ServiceInstance } from '../model/index.js';
import {
  type AdaptiveLimitSnapshot,
  type BulkheadSnapshot,
  type CircuitSnapshot,
  type ClientThrottleSnapshot,
  type OutlierView,
  type RateLimiterSnapshot,
} from '../resilience/index.js';
import { pickContextOf } from './call/pick-context.js';
import { type CallStageName } from './call/stage.js';
import { type ChannelView } from './channel/channel-view.js';
import { type PreparedRequest, type ServiceCallRequest } from './request.js';

/** The state of one instance for a call made now, and why; `active` counts all calls of this process to it. */
export interface InstanceCallExplanation extends InstanceExplanation {
  /** Its circuit; undefined if the settings have no breaker, or no call with these settings was made. */
  readonly circuit?: CircuitSnapshot;
  /** Undefined if the settings have no outlier detection. */
  readonly outlier?: OutlierView;
  /** Limit of concurrent calls at the instance; undefined: none. */
  readonly concurrency?: number;
}

/** The state of a service for a call made now. */
export interface ServiceExplanation extends Omit<BalancingExplanation, 'instances'> {
  readonly service: string;
  readonly instances: readonly InstanceCallExplanation[];
  /** Retries and hedges that the budget allows right now; undefined: unlimited. */
  readonly retriesLeft?: number;
  /** The hedging delay; undefined if attempts are not hedged. */
  readonly hedgeAfterMs?: number;
  /** The stage that would refuse the call before an instance is picked; undefined if none would. */
  readonly refusedBy?: CallStageName;
  /** Limits on calls to the service as a whole. */
  readonly limits: {
    readonly rateLimit?: RateLimiterSnapshot;
    readonly throttling?: ClientThrottleSnapshot;
    readonly bulkhead?: BulkheadSnapshot;
    readonly adaptiveConcurrency?: AdaptiveLimitSnapshot;
    readonly circuit?: CircuitSnapshot;
  };
}

/**
 * Explains what a call would meet now: which instances would take it, which would not and why, and which limits apply.
 * Changes nothing.
 */
export function explainService(
  view: ChannelView,
  request: ServiceCallRequest,
  prepared: PreparedRequest,
): ServiceExplanation {
  const context = pickContextOf(view, request, prepared, undefined, view.refusal);
  const { instances, ...balance } = view.explain(context);
  const { rateLimit, throttling, bulkhead, adaptive, breaker, budget, hedgeDelay } = view.limits;
  return {
    service: view.service,
    ...balance,
    strategy: view.settings.strategyName,
    instances: [...instances, ...view.channel.others.map(explainOther)].map((instance) =>
      withCallState(view, instance),
    ),
    retriesLeft: budget?.available,
    hedgeAfterMs: hedgeDelay?.currentMs,
    refusedBy: breaker?.breaker.canAcquire() === false ? 'service_circuit_breaker' : undefined,
    limits: {
      rateLimit: rateLimit?.snapshot(),
      throttling: throttling?.snapshot(),
      bulkhead: bulkhead?.snapshot(),
      adaptiveConcurrency: adaptive?.snapshot(),
      circuit: breaker?.breaker.snapshot(),
    },
  };
}

/** An instance that calls never consider. */
function explainOther({ instanceId, status, protocol, weight }: ServiceInstance): InstanceExplanation {
  return {
    instanceId,
    status,
    taken: false,
    stage: 'protocol',
    reason: isHttp(protocol) ? 'speaks http, and requireTls is set' : `speaks ${protocol}, and calls are HTTP`,
    weight,
    slowStart: 1,
    active: 0,
    latencyMs: 0,
  };
}

function withCallState(view: ChannelView, explained: InstanceExplanation): InstanceCallExplanation {
  const { instanceId } = explained;
  const { breakerKey, concurrency } = view.settings;
  const state = view.channel.states.find(instanceId);
  return {
    ...explained,
    active: state?.active ?? 0,
    circuit: state?.breakers.find(breakerKey)?.snapshot(),
    outlier: view.outliers?.explain(instanceId),
    concurrency: Number.isFinite(concurrency) ? concurrency : undefined,
  };
}
