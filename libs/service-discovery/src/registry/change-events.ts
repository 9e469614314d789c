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
 * Emits the events of a change: registered, deregistered, expired, status changed. The first reset emits none, since its
 * instances were registered before. A later reset emits the differences from the previous snapshot.
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
    case 'split':
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
    // A service that is followed from now on existed before.
    if (after === before || previous.scope?.has(name) === false) continue;
    const known = new Map(before?.map((instance) => [instance.instanceId, instance]));
    for (const instance of after) emitPut(events, known.get(instance.instanceId), instance);
  }
  for (const service of new Set([...previous.expiryHolds.keys(), ...next.expiryHolds.keys()])) {
    emitHold(events, service, previous, next);
  }
}

/** A hold whose figures change emits no event. */
function emitHold(events: EventSink, service: string, previous: RegistrySnapshot, next: RegistrySnapshot): void {
  const before = previous.expiryHolds.get(service);
  const hold = next.expiryHolds.get(service);
  if (hold && !before) events.emit('expiry.held', { service, ...hold });
  else if (before && !hold) events.emit('expiry.resumed', { service });
}

/** An instance that left during an outage was deregistered or expired; the last heartbeat seen tells which. */
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
      status === 'unhealthy' ? health?.reason : status === operatorStatus ? reasonOf(operatorNote) : undefined;
    const key = { serviceName, instanceId };
    events.emit('instance.status_changed', { key, from: before.status, to: status, reason });
  }
  const isFlapping = health?.flapping ?? false;
  if (isFlapping === (before.health?.flapping ?? false)) return;
  events.emit(isFlapping ? 'instance.flapping' : 'instance.settled', { key: { serviceName, instanceId }, status });
}

/** The operator's reason and name, as far as given. */
function reasonOf(note: OperatorNote | undefined): string | undefined {
  const text = [note?.reason, note?.by && `(by ${note.by})`].filter(Boolean).join(' ');
  return oneLine(text) || undefined;
}

function emitRemoval(events: EventSink, { serviceName, instanceId }: InstanceKey, reason: RemovalReason): void {
  events.emit(REMOVAL_EVENT[reason], { key: { serviceName, instanceId } });
}
