import { describe, expect, it } from '@jest/globals';
import {
  applyChange,
  EMPTY_SNAPSHOT,
  type Change,
  type EventSink,
  type RegistrySnapshot,
  type ServiceInstance,
} from '../model/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { emitChangeEvents } from './change-events.js';

const instance = (instanceId: string, more: Partial<ServiceInstance> = {}) => fakeInstance({ instanceId, ...more });
const reset = (...instances: ServiceInstance[]): Change => ({ type: 'reset', revision: 1, instances });
const shown = (...instances: ServiceInstance[]): RegistrySnapshot =>
  applyChange(EMPTY_SNAPSHOT, reset(...instances), 0);

function eventsOf(previous: RegistrySnapshot, change: Change, epochNow = 0): unknown[] {
  const events: unknown[] = [];
  const sink: EventSink = { emit: (type, payload) => void events.push([type, payload]) };
  emitChangeEvents(sink, change, previous, applyChange(previous, change, 0), epochNow);
  return events;
}

describe('emitChangeEvents', () => {
  const a = instance('a');
  const key = { serviceName: a.serviceName, instanceId: 'a' };

  it('reports a new generation as a registration, with whether it replaced another', () => {
    const put = (next: ServiceInstance): Change => ({ type: 'put', revision: 2, instance: next });
    expect(eventsOf(shown(), put(a))).toEqual([['instance.registered', { instance: a, replaced: false }]]);
    const next = { ...a, generation: 2 };
    expect(eventsOf(shown(a), put(next))).toEqual([['instance.registered', { instance: next, replaced: true }]]);
  });

  it('reports a changed status, with the reason if it became unhealthy', () => {
    const sick = instance('a', { healthStatus: 'unhealthy', health: { checkedAt: 1, reason: 'status 503' } });
    const [event] = eventsOf(shown(a), { type: 'put', revision: 2, instance: sick });
    expect(event).toEqual(['instance.status_changed', { key, from: 'healthy', to: 'unhealthy', reason: 'status 503' }]);
    const well = instance('a', { health: { checkedAt: 2, reason: 'slow' } });
    expect(eventsOf(shown(sick), { type: 'put', revision: 2, instance: well })).toEqual([
      ['instance.status_changed', { key, from: 'unhealthy', to: 'healthy', reason: undefined }],
    ]);
  });

  it.each([
    [{ reason: 'a disk is full', by: 'ada' }, 'a disk is full (by ada)'],
    [{ reason: 'a disk is full' }, 'a disk is full'],
    [{ by: 'ada' }, '(by ada)'],
    [{ reason: 'a\r\nb' }, 'a b'],
    [{}, undefined],
  ])('reports the reason and author of an operator status: %j', (said, reason) => {
    const idle = instance('a', {
      status: 'maintenance',
      operatorStatus: 'maintenance',
      operatorNote: { since: 1, ...said },
    });
    expect(eventsOf(shown(a), { type: 'put', revision: 2, instance: idle })).toEqual([
      ['instance.status_changed', { key, from: 'healthy', to: 'maintenance', reason }],
    ]);
  });

  it('reports when an instance starts and stops flapping, after its status change', () => {
    const put = (next: ServiceInstance): Change => ({ type: 'put', revision: 2, instance: next });
    const flapping = instance('a', { healthStatus: 'unhealthy', health: { checkedAt: 1, flapping: true } });
    expect(eventsOf(shown(a), put(flapping))).toEqual([
      ['instance.status_changed', { key, from: 'healthy', to: 'unhealthy', reason: undefined }],
      ['instance.flapping', { key, status: 'unhealthy' }],
    ]);
    const still = instance('a', { healthStatus: 'unhealthy', health: { checkedAt: 2, flapping: true } });
    expect(eventsOf(shown(flapping), put(still))).toEqual([]);
    const settled = instance('a', { healthStatus: 'unhealthy', health: { checkedAt: 3, flapping: false } });
    expect(eventsOf(shown(still), put(settled))).toEqual([['instance.settled', { key, status: 'unhealthy' }]]);
  });

  it('reports nothing if neither generation nor status changed', () => {
    const same = instance('a', { health: { checkedAt: 5 } });
    expect(eventsOf(shown(a), { type: 'put', revision: 2, instance: same })).toEqual([]);
    expect(eventsOf(shown(a), { type: 'renewed', revision: 2, keys: [key], at: 5 })).toEqual([]);
  });

  it.each([
    ['deregistered', 'instance.deregistered'],
    ['expired', 'instance.expired'],
  ] as const)('reports a known instance that was %s', (reason, type) => {
    const removal: Change = { type: 'remove', revision: 2, key, reason };
    expect(eventsOf(shown(a), removal)).toEqual([[type, { key }]]);
    expect(eventsOf(shown(), removal)).toEqual([]);
  });

  it('reports when an expiry hold starts and ends, but not when its figures change', () => {
    const serviceName = 'users';
    const [hold, moved] = [9, 4].map((overdue) => ({ since: 1, overdue, total: 10 }));
    const told = (now: typeof hold | null): Change => ({ type: 'hold', revision: 2, serviceName, hold: now ?? null });
    const held = applyChange(shown(a), told(hold), 0);
    expect(eventsOf(shown(a), told(hold))).toEqual([['expiry.held', { service: 'users', ...hold }]]);
    expect(eventsOf(held, told(moved))).toEqual([]);
    expect(eventsOf(held, told(null))).toEqual([['expiry.resumed', { service: 'users' }]]);
    expect(eventsOf(held, reset(a))).toEqual([['expiry.resumed', { service: 'users' }]]);
    expect(eventsOf(shown(a), told(null))).toEqual([]);
  });

  describe('on a reset', () => {
    it('reports nothing for the first reset', () => {
      expect(eventsOf(EMPTY_SNAPSHOT, reset(a))).toEqual([]);
    });

    it('reports only the differences for a later reset', () => {
      const [b, c] = [instance('b'), instance('c', { serviceName: 'orders' })];
      const healed = { ...b, status: 'draining' as const };
      const types = eventsOf(shown(a, b), reset(healed, c), a.lastHeartbeat).map((event) => (event as [string])[0]);
      expect(types).toEqual(['instance.deregistered', 'instance.status_changed', 'instance.registered']);
      expect(eventsOf(shown(a, b), reset({ ...a }, { ...b }))).toEqual([]);
    });

    it('reports a missing instance as expired if its last heartbeat is older than its lease', () => {
      const due = a.lastHeartbeat + a.ttlMs;
      expect(eventsOf(shown(a), reset(), due - 1)).toEqual([['instance.deregistered', { key }]]);
      expect(eventsOf(shown(a), reset(), due)).toEqual([['instance.expired', { key }]]);
    });
  });
});
