import { beforeEach, describe, expect, it } from '@jest/globals';
import { type InstanceKey } from '../model/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { EffectWaiters } from './effect-waiters.js';

const a: InstanceKey = { serviceName: 'users', instanceId: 'a' };
const b: InstanceKey = { serviceName: 'users', instanceId: 'b' };

let waiters: EffectWaiters;
let looks: string[];

beforeEach(() => {
  waiters = new EffectWaiters();
  looks = [];
});

describe('EffectWaiters', () => {
  it('let a change ask those alone who wait for its instance', () => {
    waiters.add(a, () => looks.push('a'));
    waiters.add(b, () => looks.push('b'));
    waiters.add(b, () => looks.push('b too'));
    waiters.tell({ type: 'put', revision: 1, instance: fakeInstance(a) });
    expect(looks).toEqual(['a']);
    waiters.tell({ type: 'remove', revision: 2, key: b, reason: 'expired' });
    expect(looks).toEqual(['a', 'b', 'b too']);
    waiters.tell({ type: 'renewed', revision: 2, keys: [a, b], at: 1 });
    expect(looks).toHaveLength(3);
  });

  it('ask all after a reset, and when the connection came or went', () => {
    waiters.add(a, () => looks.push('a'));
    waiters.add(b, () => looks.push('b'));
    waiters.tell({ type: 'reset', revision: 1, instances: [] });
    waiters.tell(null);
    expect(looks).toEqual(['a', 'b', 'a', 'b']);
  });

  it('ask nobody who has stopped, also not one who came later under the same key', () => {
    const stop = waiters.add(a, () => looks.push('early'));
    stop();
    const stopLater = waiters.add(a, () => looks.push('later'));
    stop();
    waiters.tell(null);
    expect(looks).toEqual(['later']);
    stopLater();
    waiters.tell(null);
    expect(looks).toEqual(['later']);
  });
});
