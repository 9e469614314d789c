import { type BalancingExplanation, type InstanceExplanation } from '../balancing/index.js';
import { type ServiceInstance } from '../model/index.js';
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
import { type ServiceView } from './channel/service-view.js';
import { type PreparedRequest, type ServiceCallRequest } from './request.js';

/** How one instance stands for a call made now, and why: `active` are all calls of this process that it has. */
export interface InstanceStanding extends InstanceExplanation {
  /** Its circuit; undefined where the settings have none, or nobody has called it by these. */
  readonly circuit?: CircuitSnapshot;
  /** What was found of it; undefined where the settings have no outlier detection. */
  readonly outlier?: OutlierView;
  /** How many calls may run there at once; undefined: any number. */
  readonly concurrency?: number;
}

/** How a service stands for a call made now. */
export interface ServiceExplanation extends Omit<BalancingExplanation, 'instances'> {
  readonly service: string;
  readonly instances: readonly InstanceStanding[];
  /** Retries and hedges that may be made at this moment; undefined where nothing limits them. */
  readonly retriesLeft?: number;
  /** After how long an attempt would be hedged; undefined where none would. */
  readonly hedgeAfterMs?: number;
  /** The stage that would refuse the call before any instance is picked; undefined where it is let through. */
  readonly refusedBy?: CallStageName;
  /** What limits the calls to the service as a whole, as far as the settings have it. */
  readonly limits: {
    readonly rateLimit?: RateLimiterSnapshot;
    readonly throttling?: ClientThrottleSnapshot;
    readonly bulkhead?: BulkheadSnapshot;
    readonly adaptiveConcurrency?: AdaptiveLimitSnapshot;
    readonly circuit?: CircuitSnapshot;
  };
}

/** Tells what a call would meet now: who would take it, who would not and why, and what limits it. Changes nothing. */
export function explainService(
  view: ServiceView,
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
    instances: [...instances, ...view.channel.others.map(explainOther)].map((instance) => standingOf(view, instance)),
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

/** Calls do not even consider it. */
function explainOther({ instanceId, status, protocol, weight }: ServiceInstance): InstanceExplanation {
  return {
    instanceId,
    status,
    taken: false,
    stage: 'protocol',
    reason: `speaks ${protocol}, and calls are HTTP`,
    weight,
    slowStart: 1,
    active: 0,
    latencyMs: 0,
  };
}

function standingOf(view: ServiceView, explained: InstanceExplanation): InstanceStanding {
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
