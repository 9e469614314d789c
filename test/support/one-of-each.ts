import { type EventSink } from 'nest-service-discovery/core';

/** The service and the instance of all events. */
export const COUNTED = { service: 'users', instanceId: 'a' } as const;

/** Emits events that every metric counts, so that each of its labels has a value. */
export function countOneOfEach(bus: EventSink): void {
  const { service, instanceId } = COUNTED;
  const key = { serviceName: service, instanceId };
  bus.emit('health.checked', { key, passed: true, detail: { checkedAt: 1 } });
  bus.emit('health.checked', { key, passed: false, detail: { checkedAt: 1 } });
  bus.emit('expiry.held', { service, since: 1, overdue: 1, total: 1 });
  bus.emit('circuit.opened', { service, instanceId, reason: 'consecutive_failures', failures: 5 });
  bus.emit('instance.ejected', { key, reason: 'latency', evidence: '', ejectedForMs: 1, ejections: 1 });
  bus.emit('balancing.panic', { service, healthyShare: 0 });
  bus.emit('call.picked', { service, instanceId, strategy: 'random', attempt: 1, failOpen: true });
  bus.emit('instance.unreachable', { key, reason: 'refused', avoidedForMs: 1, failures: 1 });
  bus.emit('call.refused', { service, stage: 'bulkhead', code: 'BULKHEAD_FULL' });
  bus.emit('call.retried', { service, attempt: 2, delayMs: 0, reason: '' });
  bus.emit('call.retry_budget_exhausted', { service, attempts: 1, reason: '' });
  bus.emit('call.hedged', { service, attempt: 2, afterMs: 1 });
  bus.emit('call.failed_over', { service, from: 'a', to: 'b', reason: '' });
  bus.emit('call.answered_stale', { service, ageMs: 1, reason: '' });
  bus.emit('call.split', { service, part: 'via', ok: true, durationMs: 1 });
  bus.emit('call.completed', { service, ok: true, attempts: 1, durationMs: 1 });
  bus.emit('call.completed', { service, ok: false, code: 'DEADLINE_EXCEEDED', attempts: 1, durationMs: 1 });
}
