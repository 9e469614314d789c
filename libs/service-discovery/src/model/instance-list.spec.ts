import { describe, expect, it } from '@jest/globals';
import { fakeInstance } from '../testing/fake-instance.js';
import {
  placeOf,
  steadyList,
  withHeartbeats,
  withInstance,
  withoutInstance,
  type InstanceList,
} from './instance-list.js';
import { changeInstance, type ServiceInstance } from './instance.js';

const MANY = 1_000;
const idOf = (index: number): string => `i${index}`;
const listOf = (count: number): InstanceList =>
  Array.from({ length: count }, (_, index) => fakeInstance({ instanceId: idOf(index) }));
const renew = (instance: ServiceInstance): ServiceInstance => changeInstance(instance, { lastHeartbeat: 7 });

/** Instances that count how often somebody asks who they are. */
function counted(count: number): { readonly list: InstanceList; readonly asked: () => number } {
  let asked = 0;
  const list = listOf(count).map((instance) =>
    Object.defineProperty({ ...instance }, 'instanceId', { get: () => (asked++, instance.instanceId) }),
  );
  return { list, asked: () => asked };
}

describe('a list of instances', () => {
  it('makes one new list for a change of one of many, and no new instance beside that one', () => {
    const before = listOf(MANY);
    const heavy = changeInstance(before[500]!, { weight: 9 });
    const after = withInstance(before, heavy);
    expect(after[500]).toBe(heavy);
    expect(after.filter((instance, at) => instance !== before[at])).toEqual([heavy]);
  });

  it('asks everybody once who they are, however many change after that', () => {
    const { list, asked } = counted(MANY);
    let latest = list;
    for (let index = 0; index < MANY; index += 10) {
      latest = withInstance(latest, fakeInstance({ instanceId: idOf(index) }));
      latest = withHeartbeats(latest, [idOf(index + 1)], (known) => known);
      latest = withInstance(latest, fakeInstance({ instanceId: `new-${index}` }));
    }
    expect(latest).toHaveLength(MANY + 100);
    expect(asked()).toBeLessThan(MANY + 300);
  });

  it('finds those who moved, since others left, near to where they stood', () => {
    const { list, asked } = counted(MANY);
    const left = ['i3', 'i500', 'i998'].reduce(withoutInstance, list);
    const before = asked();
    expect([placeOf(left, 'i2'), placeOf(left, 'i4'), placeOf(left, 'i999')]).toEqual([2, 3, MANY - 4]);
    expect(asked() - before).toBeLessThan(10);
  });

  it('looks far for one only once, after many have left before it', () => {
    const { list, asked } = counted(MANY);
    let left = list;
    for (let index = 0; index < MANY / 4; index++) left = withoutInstance(left, idOf(index));
    const looks = [1, 2].map(() => {
      const before = asked();
      expect(placeOf(left, idOf(MANY - 1))).toBe(left.length - 1);
      expect(placeOf(left, idOf(MANY / 2))).toBe(MANY / 4);
      return asked() - before;
    });
    expect(looks[1]).toBe(2);
    expect(placeOf(list, idOf(MANY - 1))).toBe(MANY - 1);
  });

  it('forgets from time to time who has left, which takes another look at those who stayed', () => {
    const { list, asked } = counted(MANY);
    let latest = list;
    for (let index = 0; index < 3 * MANY; index++) {
      const instanceId = `guest-${index}`;
      latest = withoutInstance(withInstance(latest, fakeInstance({ instanceId })), instanceId);
    }
    expect(Math.round(asked() / MANY)).toBe(3);
  });

  it('knows its own instances where two lists come from one', () => {
    const origin = listOf(MANY);
    const x = fakeInstance({ instanceId: 'x' });
    const late = withInstance(withInstance(origin, fakeInstance({ instanceId: 'y' })), x);
    const early = withInstance(origin, x);
    expect([placeOf(late, 'x'), placeOf(early, 'x'), placeOf(early, 'y'), placeOf(origin, 'x')]).toEqual([
      MANY + 1,
      MANY,
      -1,
      -1,
    ]);
  });

  it('is the same where somebody leaves who is not there', () => {
    const list = listOf(3);
    expect(withoutInstance(list, 'x')).toBe(list);
  });

  it('is steady while nothing but heartbeats comes, and then is what it is', () => {
    const first = listOf(3);
    const beaten = withHeartbeats(withHeartbeats(first, ['i0'], renew), ['i0', 'i2', 'x'], renew);
    expect(beaten.map(({ lastHeartbeat }) => lastHeartbeat === 7)).toEqual([true, false, true]);
    expect(steadyList(beaten)).toBe(first);
    const changed = withInstance(beaten, first[1]!);
    expect(steadyList(changed)).toBe(changed);
    const shorter = withoutInstance(beaten, 'i1');
    expect(steadyList(shorter)).toBe(shorter);
  });

  it('is the same where nobody is there who had a heartbeat', () => {
    const first = listOf(3);
    expect(withHeartbeats(first, ['x'], renew)).toBe(first);
  });
});
