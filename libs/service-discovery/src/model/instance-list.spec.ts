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

/** Instances that count reads of their id. */
function counted(count: number): { readonly list: InstanceList; readonly asked: () => number } {
  let asked = 0;
  const list = listOf(count).map((instance) =>
    Object.defineProperty({ ...instance }, 'instanceId', { get: () => (asked++, instance.instanceId) }),
  );
  return { list, asked: () => asked };
}

describe('a list of instances', () => {
  it('creates one new list per change, and no new instance besides the changed one', () => {
    const before = listOf(MANY);
    const heavy = changeInstance(before[500]!, { weight: 9 });
    const after = withInstance(before, heavy);
    expect(after[500]).toBe(heavy);
    expect(after.filter((instance, at) => instance !== before[at])).toEqual([heavy]);
  });

  it('reads every id once, however many changes follow', () => {
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

  it('finds instances that moved close to their old position', () => {
    const { list, asked } = counted(MANY);
    const left = ['i3', 'i500', 'i998'].reduce(withoutInstance, list);
    const before = asked();
    expect([placeOf(left, 'i2'), placeOf(left, 'i4'), placeOf(left, 'i999')]).toEqual([2, 3, MANY - 4]);
    expect(asked() - before).toBeLessThan(10);
  });

  it('searches far only once after many left before it', () => {
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

  it('drops entries of instances that left, at the cost of reading the others again', () => {
    const { list, asked } = counted(MANY);
    let latest = list;
    for (let index = 0; index < 3 * MANY; index++) {
      const instanceId = `guest-${index}`;
      latest = withoutInstance(withInstance(latest, fakeInstance({ instanceId })), instanceId);
    }
    expect(Math.round(asked() / MANY)).toBe(3);
  });

  it('keeps two lists with a common predecessor apart', () => {
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

  it('stays the same object if the instance to remove is absent', () => {
    const list = listOf(3);
    expect(withoutInstance(list, 'x')).toBe(list);
  });

  it('keeps its steady identity through heartbeats only', () => {
    const first = listOf(3);
    const beaten = withHeartbeats(withHeartbeats(first, ['i0'], renew), ['i0', 'i2', 'x'], renew);
    expect(beaten.map(({ lastHeartbeat }) => lastHeartbeat === 7)).toEqual([true, false, true]);
    expect(steadyList(beaten)).toBe(first);
    const changed = withInstance(beaten, first[1]!);
    expect(steadyList(changed)).toBe(changed);
    const shorter = withoutInstance(beaten, 'i1');
    expect(steadyList(shorter)).toBe(shorter);
  });

  it('stays the same object if no renewed instance is present', () => {
    const first = listOf(3);
    expect(withHeartbeats(first, ['x'], renew)).toBe(first);
  });
});
