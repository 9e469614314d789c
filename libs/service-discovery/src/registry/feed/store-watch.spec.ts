import { beforeEach, describe, expect, it } from '@jest/globals';
import { type InstanceKey } from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { SnapshotWaiters } from './store-watch.js';

const a: InstanceKey = { serviceName: 'users', instanceId: 'a' };
const b: InstanceKey = { serviceName: 'users', instanceId: 'b' };

let waiters: SnapshotWaiters;
let looks: string[];

beforeEach(() => {
  waiters = new SnapshotWaiters();
  looks = [];
});

describe('SnapshotWaiters', () => {
  it('checks only the waiters of the changed instance', () => {
    waiters.add(a, () => looks.push('a'));
    waiters.add(b, () => looks.push('b'));
    waiters.add(b, () => looks.push('b too'));
    waiters.notify({ type: 'put', revision: 1, instance: fakeInstance(a) });
    expect(looks).toEqual(['a']);
    waiters.notify({ type: 'remove', revision: 2, key: b, reason: 'expired' });
    expect(looks).toEqual(['a', 'b', 'b too']);
    waiters.notify({ type: 'renewed', revision: 2, keys: [a, b], at: 1 });
    expect(looks).toHaveLength(3);
  });

  it('checks all waiters after a reset and after a change of the connection', () => {
    waiters.add(a, () => looks.push('a'));
    waiters.add(b, () => looks.push('b'));
    waiters.notify({ type: 'reset', revision: 1, instances: [] });
    waiters.notify(null);
    expect(looks).toEqual(['a', 'b', 'a', 'b']);
  });

  it('checks no removed waiter, and no other one that came later under the same key', () => {
    const stop = waiters.add(a, () => looks.push('early'));
    stop();
    const stopLater = waiters.add(a, () => looks.push('later'));
    stop();
    waiters.notify(null);
    expect(looks).toEqual(['later']);
    stopLater();
    waiters.notify(null);
    expect(looks).toEqual(['later']);
  });
});
