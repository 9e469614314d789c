import { type PickResult } from '../../balancing/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { type Place } from '../channel/instance-states.js';
import { type Refusal } from '../channel/service-view.js';
import { type Call } from './call.js';
import { unavailableError } from './unavailable-error.js';

type Picked = Extract<PickResult, { kind: 'picked' }>;

/** The instance of one attempt, with a place for it there. */
export interface Target {
  readonly instance: ServiceInstance;
  readonly place: Place;
  /** The balancer's, to be told how the attempt ended. */
  readonly picked: Picked;
}

/**
 * Picks an instance and takes a place there.
 * @throws ServiceDiscoveryError when nobody can take the call
 */
export function pickTarget<T>(call: Call<T>): Target {
  const { view, request, prepared, service, tried } = call;
  const { path, query, headers } = prepared;
  const { key, clientIp } = request;
  let refused: Set<Refusal> | undefined;
  const picked = view.pick({
    ...request.criteria,
    key,
    path,
    query,
    headers,
    clientIp,
    exclude: tried,
    refusal: (instance) => {
      const refusal = view.refusal(instance);
      if (refusal !== undefined) (refused ??= new Set()).add(refusal);
      return refusal;
    },
  });
  if (picked.kind === 'unavailable') throw unavailableError(call, picked.reason, refused);
  const { instance } = picked;
  const place = view.enter(instance);
  if (typeof place === 'string') {
    // Only a balancer that does not ask `refusal` comes here.
    const error = unavailableError(call, 'none_available', new Set([place]));
    picked.done({ kind: 'error', error, latencyMs: 0, neverSent: true });
    throw error;
  }
  call.attempts++;
  tried.add(instance.instanceId);
  const { events } = call.deps;
  events.emit('call.picked', {
    service,
    instanceId: instance.instanceId,
    strategy: view.settings.strategyName,
    attempt: call.attempts,
  });
  if (call.last && call.last.instance.instanceId !== instance.instanceId) {
    const { instance: from, reason } = call.last;
    events.emit('call.failed_over', { service, from: from.instanceId, to: instance.instanceId, reason });
  }
  return { instance, place, picked };
}
