import { describe, expect, it } from '@jest/globals';
import { fakeInstance } from '../../testing/fake-instance.js';
import { ClientSubset } from './partitions.js';

const instances = Array.from({ length: 100 }, (_, index) => fakeInstance({ instanceId: `10.0.0.${index}:8080` }));
const idsOf = (subset: ClientSubset, list = instances): string[] => subset.of(list).map(({ instanceId }) => instanceId);

describe('ClientSubset', () => {
  it('has the given size and the list order, and the same members for any order', () => {
    const ids = idsOf(new ClientSubset(20, 'client-1'));
    expect(ids).toHaveLength(20);
    expect(ids).toEqual(instances.map(({ instanceId }) => instanceId).filter((id) => ids.includes(id)));
    expect(idsOf(new ClientSubset(20, 'client-1'), instances.toReversed()).sort()).toEqual(ids.sort());
  });

  it('is the list itself if it has no more than that many', () => {
    const subset = new ClientSubset(100, 'client-1');
    expect(subset.of(instances)).toBe(instances);
  });

  it('changes by at most one member when one instance leaves or joins', () => {
    const subset = new ClientSubset(20, 'client-1');
    const before = idsOf(subset);
    let changed = 0;
    for (const gone of instances) {
      const after = idsOf(
        subset,
        instances.filter((instance) => instance !== gone),
      );
      const replaced = before.filter((id) => !after.includes(id));
      expect(replaced).toEqual(before.includes(gone.instanceId) ? [gone.instanceId] : []);
      changed += replaced.length;
    }
    expect(changed).toBe(20);
  });

  it('differs from client to client, so that together they use every instance', () => {
    const used = new Map<string, number>();
    for (let client = 0; client < 200; client++) {
      for (const id of idsOf(new ClientSubset(20, `client-${client}`))) used.set(id, (used.get(id) ?? 0) + 1);
    }
    expect(used.size).toBe(100);
    // 40 on average with a standard deviation of 5.7, so this is within 4 of those. The client ids are fixed.
    expect(Math.min(...used.values())).toBeGreaterThan(17);
    expect(Math.max(...used.values())).toBeLessThan(63);
  });
});
