import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { type ServiceInstance } from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { changesBetween } from './instance-changes.js';

const instance = (instanceId: string, more: Partial<ServiceInstance> = {}) => fakeInstance({ instanceId, ...more });
const list = (...ids: string[]) => ids.map((id) => instance(id));

function idsOf(changes: ReturnType<typeof changesBetween>): Record<keyof typeof changes, string[]> {
  const ids = (instances: readonly ServiceInstance[]) => instances.map(({ instanceId }) => instanceId).sort();
  return { joined: ids(changes.joined), left: ids(changes.left), replaced: ids(changes.replaced) };
}

describe('changesBetween', () => {
  it('tells who came and who left, wherever in the list', () => {
    expect(idsOf(changesBetween(list('a', 'b', 'c', 'd'), list('b', 'x', 'd', 'e')))).toEqual({
      joined: ['e', 'x'],
      left: ['a', 'c'],
      replaced: [],
    });
  });

  it('finds nothing new in another order, or in fields that say nothing of who it is', () => {
    const renewed = ['c', 'a', 'b'].map((id) => instance(id, { lastHeartbeat: 9, weight: 7, status: 'unhealthy' }));
    expect(idsOf(changesBetween(list('a', 'b', 'c'), renewed))).toEqual({ joined: [], left: [], replaced: [] });
  });

  it('tells of those who registered anew under their id', () => {
    const after = [instance('a'), instance('b', { generation: 9 })];
    expect(idsOf(changesBetween(list('a', 'b'), after))).toEqual({ joined: [], left: [], replaced: ['b'] });
  });

  it.each([{ host: '10.0.0.9' }, { port: 9 }, { protocol: 'https' }] as const)(
    'takes one that moved by %j for one that left and one that came',
    (moved) => {
      const before = list('a', 'b');
      const after = [before[0]!, instance('b', moved)];
      const { joined, left, replaced } = changesBetween(before, after);
      expect([joined, left, replaced]).toEqual([[after[1]], [before[1]], []]);
    },
  );

  it('agrees with sets of ids on any two lists', () => {
    const ids = fc.uniqueArray(fc.integer({ min: 0, max: 12 }).map(String), { maxLength: 10 });
    fc.assert(
      fc.property(ids, ids, (before, after) => {
        expect(idsOf(changesBetween(list(...before), list(...after)))).toEqual({
          joined: after.filter((id) => !before.includes(id)).sort(),
          left: before.filter((id) => !after.includes(id)).sort(),
          replaced: [],
        });
      }),
      modelRuns('instance changes', 2_000),
    );
  });
});
