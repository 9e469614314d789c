import { type PickResult, type Refusal } from '../../balancing/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { type Place } from '../channel/instance-states.js';
import { type Call } from './call.js';
import { pickContextOf } from './pick-context.js';
import { unavailableError } from './unavailable-error.js';

type Picked = Extract<PickResult, { kind: 'picked' }>;

/** The instance of one attempt, with a place reserved there. */
export interface Target {
  readonly instance: ServiceInstance;
  readonly place: Place;
  /** The balancer's pick, to be notified of the outcome. */
  readonly picked: Picked;
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
  return { instance, place, picked };
}
