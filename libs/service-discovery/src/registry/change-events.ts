import { oneLine } from '../common/index.js';
import {
  findInstance,
  REMOVAL_EVENT,
  type Change,
  type EventSink,
  type InstanceKey,
  type OperatorNote,
  type RegistrySnapshot,
  type RemovalReason,
  type ServiceInstance,
} from '../model/index.js';

/**
 * Reports what a change means: registered, deregistered, expired, or of another status. The very first reset tells
 * what was there before, so it is no event; what differs after a later reset happened while nobody looked.
 * @param epochNow milliseconds since the Unix epoch
 */
export function emitChangeEvents(
  events: EventSink,
  change: Change,
  previous: RegistrySnapshot,
  next: RegistrySnapshot,
  epochNow: number,
): void {
  switch (change.type) {
    case 'put':
      emitPut(events, findInstance(previous, change.instance), change.instance);
      break;
    case 'remove':
      if (findInstance(previous, change.key)) emitRemoval(events, change.key, change.reason);
      break;
    case 'reset':
      if (previous.ready) emitDifferences(events, previous, next, epochNow);
      break;
    case 'renewed':
      break;
    case 'hold':
      emitHold(events, change.serviceName, previous, next);
      break;
  }
}

function emitDifferences(
  events: EventSink,
  previous: RegistrySnapshot,
  next: RegistrySnapshot,
  epochNow: number,
): void {
  for (const [name, before] of previous.services) {
    const after = next.services.get(name);
    if (after === before) continue;
    const remaining = new Set(after?.map(({ instanceId }) => instanceId));
    for (const gone of before) {
      if (!remaining.has(gone.instanceId)) emitRemoval(events, gone, likelyReason(gone, epochNow));
    }
  }
  for (const [name, after] of next.services) {
    const before = previous.services.get(name);
    // What is followed from now on was there before.
    if (after === before || previous.scope?.has(name) === false) continue;
    const known = new Map(before?.map((instance) => [instance.instanceId, instance]));
    for (const instance of after) emitPut(events, known.get(instance.instanceId), instance);
  }
  for (const service of new Set([...previous.expiryHolds.keys(), ...next.expiryHolds.keys()])) {
    emitHold(events, service, previous, next);
  }
}

/** Figures that move are no event. */
function emitHold(events: EventSink, service: string, previous: RegistrySnapshot, next: RegistrySnapshot): void {
  const before = previous.expiryHolds.get(service);
  const hold = next.expiryHolds.get(service);
  if (hold && !before) events.emit('expiry.held', { service, ...hold });
  else if (before && !hold) events.emit('expiry.resumed', { service });
}

/** What left while the store could not be watched either said so or ran out; the heartbeat that we saw last decides. */
function likelyReason({ lastHeartbeat, ttlMs }: ServiceInstance, epochNow: number): RemovalReason {
  return lastHeartbeat + ttlMs <= epochNow ? 'expired' : 'deregistered';
}

function emitPut(events: EventSink, before: ServiceInstance | undefined, instance: ServiceInstance): void {
  if (before?.generation !== instance.generation) {
    events.emit('instance.registered', { instance, replaced: before !== undefined });
    return;
  }
  const { serviceName, instanceId, status, health, operatorStatus, operatorNote } = instance;
  if (before.status !== status) {
    const reason =
      status === 'unhealthy' ? health?.reason : status === operatorStatus ? wordOf(operatorNote) : undefined;
    const key = { serviceName, instanceId };
    events.emit('instance.status_changed', { key, from: before.status, to: status, reason });
  }
  const isFlapping = health?.flapping ?? false;
  if (isFlapping === (before.health?.flapping ?? false)) return;
  events.emit(isFlapping ? 'instance.flapping' : 'instance.settled', { key: { serviceName, instanceId }, status });
}

/** Why an operator said so, and who it was, as far as they told. */
function wordOf(note: OperatorNote | undefined): string | undefined {
  const said = [note?.reason, note?.by && `(by ${note.by})`].filter(Boolean).join(' ');
  return oneLine(said) || undefined;
}

function emitRemoval(events: EventSink, { serviceName, instanceId }: InstanceKey, reason: RemovalReason): void {
  events.emit(REMOVAL_EVENT[reason], { key: { serviceName, instanceId } });
}
