import { describeUnavailable, type PickResult, type Refusal, type UnavailableReason } from '../../balancing/index.js';
import {
  BulkheadFullError,
  CircuitOpenError,
  NoAvailableInstanceError,
  ServiceNotFoundError,
} from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { refused as reportRefusal, wayOutOfOpenCircuit } from '../../resilience/index.js';
import { type Place } from '../channel/instance-states.js';
import { type Call } from './call.js';
import { pickContextOf } from './pick-context.js';

type Picked = Extract<PickResult, { kind: 'picked' }>;

/** The instance of one attempt, with a place reserved there. A class, for the reason given at `PreparedRequest`. */
export class Target {
  constructor(
    readonly instance: ServiceInstance,
    readonly place: Place,
    /** The balancer's pick, to be notified of the outcome. */
    readonly picked: Picked,
  ) {}
}

/**
 * Picks an instance and reserves a place at it.
 * @param isHedge whether the attempt runs alongside another one
 * @param now `Clock.now()`
 * @throws ServiceDiscoveryError if no instance can take the call
 */
export function pickTarget<T>(call: Call<T>, isHedge: boolean, now: number): Target {
  const { view, request, prepared, service } = call;
  const { events } = call;
  let refused: Map<string, Refusal> | undefined;
  const refusal = (instance: ServiceInstance): Refusal | undefined => {
    const { instanceId } = instance;
    // Balancers may ask several times about an instance, once per preference level.
    const known = refused?.get(instanceId);
    if (known !== undefined) return known;
    const reason = view.refusal(instance);
    if (reason !== undefined) {
      (refused ??= new Map()).set(instanceId, reason);
      events.emit('call.passed_over', { service, instanceId, reason });
    }
    return reason;
  };
  const passedOver = call.idsToPassOver();
  const picked = view.pick(pickContextOf(view, request, prepared, passedOver, refusal, now));
  if (picked.kind === 'unavailable') throw unavailableError(call, picked.reason, refused && new Set(refused.values()));
  const { instance } = picked;
  if (request.criteria?.protocol !== undefined && instance.protocol !== request.criteria.protocol) {
    // Reached only with a balancer of the app's own that does not heed it, and then the call might go out in clear text.
    const error = unavailableError(call, 'no_match', undefined);
    picked.done({ kind: 'error', error, latencyMs: 0, neverSent: true });
    throw error;
  }
  const place = view.enter(instance);
  if (typeof place === 'string') {
    // Reached only with a balancer that does not call `refusal`.
    events.emit('call.passed_over', { service, instanceId: instance.instanceId, reason: place });
    const error = unavailableError(call, 'none_available', new Set([place]));
    picked.done({ kind: 'error', error, latencyMs: 0, neverSent: true });
    throw error;
  }
  if (passedOver?.has(instance.instanceId)) call.startRound();
  call.attempts++;
  call.picked = instance;
  events.emit('call.picked', {
    service,
    instanceId: instance.instanceId,
    strategy: view.settings.strategyName,
    attempt: call.attempts,
    failOpen: picked.failOpen,
  });
  // A hedge is not a failover: the other attempt continues.
  if (!isHedge && call.last && call.last.instance.instanceId !== instance.instanceId) {
    const { instance: from, reason } = call.last;
    events.emit('call.failed_over', { service, from: from.instanceId, to: instance.instanceId, reason });
  }
  return new Target(instance, place, picked);
}

/**
 * The error for a pick that found no instance. It reports what kept the instances from being picked at that moment, not
 * their present state: a circuit may be ready for a probe by now.
 * @param refused why instances could not take the call
 */
function unavailableError<T>(
  call: Call<T>,
  reason: UnavailableReason,
  refused: ReadonlySet<Refusal> | undefined,
): unknown {
  const { service, last, view, request } = call;
  // The first failure is more informative than "no instance left".
  if (last?.error !== undefined) return last.error;
  switch (reason) {
    case 'no_instances':
      return new ServiceNotFoundError(service, {}, call.deps.suggestName(service));
    case 'no_match':
    case 'none_healthy':
    case 'too_few_healthy':
      return new NoAvailableInstanceError(
        service,
        describeUnavailable(reason, view.channel.instances, request.criteria),
      );
    case 'none_available':
      return refusalError(call, refused);
  }
}

function refusalError<T>(call: Call<T>, refused: ReadonlySet<Refusal> | undefined): unknown {
  const { service, view, request } = call;
  if (refused === undefined) return new NoAvailableInstanceError(service, 'the load balancer offers none');
  if (refused.has('at_capacity')) {
    const error = new BulkheadFullError({ service, limit: view.settings.concurrency });
    return reportRefusal(call, 'concurrency', error);
  }
  const waitMs = view.circuitWaitMs(request.criteria);
  const retryAfterMs = Number.isFinite(waitMs) ? Math.ceil(waitMs) : undefined;
  const what = `The circuits of all instances of "${service}" that could take the call are open`;
  const error = new CircuitOpenError(`${what}. ${wayOutOfOpenCircuit(retryAfterMs)}`, { service, retryAfterMs });
  return reportRefusal(call, 'circuit_breaker', error);
}
