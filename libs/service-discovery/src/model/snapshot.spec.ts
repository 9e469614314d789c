import { describe, expect, it } from '@jest/globals';
import { fakeInstance } from '../testing/fake-instance.js';
import { type Change } from './change.js';
import { type ServiceInstance } from './instance.js';
import { applyChange, EMPTY_SNAPSHOT, type RegistrySnapshot } from './snapshot.js';

const instance = (serviceName: string, instanceId: string, more: Partial<ServiceInstance> = {}) =>
  fakeInstance({ serviceName, instanceId, ...more });
const [a, b, c] = [instance('users', 'a'), instance('users', 'b'), instance('orders', 'c')] as const;
const keyed = ({ serviceName, instanceId }: ServiceInstance) => ({ serviceName, instanceId });
const reset = (...instances: ServiceInstance[]): Change => ({ type: 'reset', revision: 1, instances });

function after(...changes: Change[]): RegistrySnapshot {
  return changes.reduce((snapshot, change) => applyChange(snapshot, change, 5), EMPTY_SNAPSHOT);
}

const idsIn = (snapshot: RegistrySnapshot): Record<string, string[]> =>
  Object.fromEntries([...snapshot.services].map(([name, list]) => [name, list.map(({ instanceId }) => instanceId)]));

describe('applyChange', () => {
  it('makes a snapshot ready and connected, with the revision and time of the change', () => {
    expect(EMPTY_SNAPSHOT).toMatchObject({ ready: false, connected: false, revision: 0 });
    const put: Change = { type: 'put', revision: 9, instance: a };
    expect(applyChange({ ...after(reset()), connected: false }, put, 70)).toMatchObject({
      ready: true,
      connected: true,
      revision: 9,
      asOf: 70,
    });
  });

  it('never mutates the given snapshot', () => {
    const before = after(reset(a));
    const frozen = idsIn(before);
    applyChange(before, { type: 'put', revision: 2, instance: b }, 0);
    applyChange(before, { type: 'remove', revision: 2, key: keyed(a), reason: 'expired' }, 0);
    applyChange(before, { type: 'renewed', revision: 2, keys: [keyed(a)], at: 1 }, 0);
    expect(idsIn(before)).toEqual(frozen);
    expect(before.services.get('users')?.[0]).toBe(a);
  });

  describe('of a reset', () => {
    it('replaces everything, and drops what is absent', () => {
      expect(idsIn(after(reset(a, b), reset(b, c)))).toEqual({ users: ['b'], orders: ['c'] });
      expect(idsIn(after(reset(a), reset()))).toEqual({});
    });

    it('keeps lists of services whose instances are all the same', () => {
      const before = after(reset(a, b, c));
      const next = applyChange(before, reset(a, b, { ...c }), 0);
      expect(next.services.get('users')).toBe(before.services.get('users'));
      expect(next.services.get('orders')).not.toBe(before.services.get('orders'));
    });
  });

  describe('of a put', () => {
    it('appends new instances, and replaces known ones in place', () => {
      const heavier = { ...a, weight: 5 };
      const snapshot = after(
        reset(a),
        { type: 'put', revision: 2, instance: b },
        { type: 'put', revision: 3, instance: heavier },
      );
      expect(snapshot.services.get('users')).toEqual([heavier, b]);
    });

    it('keeps the lists of other services', () => {
      const before = after(reset(a));
      const next = applyChange(before, { type: 'put', revision: 2, instance: c }, 0);
      expect(next.services.get('users')).toBe(before.services.get('users'));
      expect(idsIn(next)).toEqual({ users: ['a'], orders: ['c'] });
    });
  });

  describe('of a removal', () => {
    it('drops the instance, and with the last one the service', () => {
      const without = (one: ServiceInstance): Change => ({
        type: 'remove',
        revision: 2,
        key: keyed(one),
        reason: 'expired',
      });
      expect(idsIn(after(reset(a, b), without(a)))).toEqual({ users: ['b'] });
      expect(idsIn(after(reset(a, b), without(a), without(b)))).toEqual({});
    });

    it('of an absent instance keeps every list', () => {
      const before = after(reset(a));
      for (const key of [keyed(b), keyed(c)]) {
        const next = applyChange(before, { type: 'remove', revision: 2, key, reason: 'expired' }, 0);
        expect(next.services).toBe(before.services);
      }
    });
  });

  describe('of renewals', () => {
    it('uses the instances that the change carries', () => {
      const fresh = { ...b, lastHeartbeat: 77 };
      const snapshot = after(reset(a, b, c), {
        type: 'renewed',
        revision: 2,
        keys: [keyed(b), keyed(c)],
        at: 77,
        instances: [fresh],
      });
      expect(snapshot.services.get('users')).toEqual([a, fresh]);
      expect(snapshot.services.get('users')?.[1]).toBe(fresh);
      expect(snapshot.services.get('orders')).toEqual([{ ...c, lastHeartbeat: 77 }]);
    });

    it('updates only the last heartbeat of the named instances', () => {
      const snapshot = after(reset(a, b), { type: 'renewed', revision: 2, keys: [keyed(b)], at: 77 });
      expect(snapshot.services.get('users')).toEqual([a, { ...b, lastHeartbeat: 77 }]);
    });

    it('keeps the lists of services without named instances', () => {
      const before = after(reset(a, c));
      const keys = [
        keyed(a),
        { serviceName: 'orders', instanceId: 'gone' },
        { serviceName: 'unknown', instanceId: 'x' },
      ];
      const next = applyChange(before, { type: 'renewed', revision: 2, keys, at: 77 }, 0);
      expect(next.services.get('orders')).toBe(before.services.get('orders'));
      expect([...next.services.keys()]).toEqual(['users', 'orders']);
    });
  });

  it('of a hold keeps it until it ends or a reset does not contain it', () => {
    const hold = { since: 1, overdue: 9, total: 10 };
    const told: Change = { type: 'hold', revision: 2, serviceName: 'users', hold };
    const held = after(reset(a), told, { type: 'put', revision: 3, instance: b });
    expect([...held.expiryHolds]).toEqual([['users', hold]]);
    expect(applyChange(held, { ...told, hold: null }, 0).expiryHolds.size).toBe(0);
    expect(applyChange(held, reset(a), 0).expiryHolds.size).toBe(0);
    const another: Change = { type: 'reset', revision: 4, instances: [a], holds: new Map([['orders', hold]]) };
    expect([...applyChange(held, another, 0).expiryHolds]).toEqual([['orders', hold]]);
  });
});
