import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { type ServiceInstance } from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { changesBetween, type InstanceChanges, deltaOf } from './instance-changes.js';

const instance = (instanceId: string, more: Partial<ServiceInstance> = {}) => fakeInstance({ instanceId, ...more });
const list = (...ids: string[]) => ids.map((id) => instance(id));

const NONE = { joined: [], left: [], replaced: [], recovered: [], retiring: [], resumed: [] };

function idsOf(changes: InstanceChanges): Record<keyof InstanceChanges, string[]> {
  const ids = (kind: keyof InstanceChanges) => changes[kind].map(({ instanceId }) => instanceId).sort();
  return {
    joined: ids('joined'),
    left: ids('left'),
    replaced: ids('replaced'),
    recovered: ids('recovered'),
    retiring: ids('retiring'),
    resumed: ids('resumed'),
  };
}

describe('changesBetween', () => {
  it('reports who joined and who left, anywhere in the list', () => {
    expect(idsOf(changesBetween(list('a', 'b', 'c', 'd'), list('b', 'x', 'd', 'e')))).toEqual({
      ...NONE,
      joined: ['e', 'x'],
      left: ['a', 'c'],
    });
  });

  it('ignores order and fields that do not identify an instance', () => {
    const renewed = ['c', 'a', 'b'].map((id) => instance(id, { lastHeartbeat: 9, weight: 7, status: 'unhealthy' }));
    expect(idsOf(changesBetween(list('a', 'b', 'c'), renewed))).toEqual(NONE);
  });

  it('reports instances that registered again under their id', () => {
    const after = [instance('a'), instance('b', { generation: 9 })];
    expect(idsOf(changesBetween(list('a', 'b'), after))).toEqual({ ...NONE, replaced: ['b'] });
  });

  it('reports instances that health checks found healthy again, but no operator status and no new registration', () => {
    const before = [
      instance('a', { healthStatus: 'unhealthy' }),
      instance('b', { healthStatus: 'unknown' }),
      instance('c', { healthStatus: 'healthy', status: 'maintenance' }),
      instance('d', { healthStatus: 'unhealthy' }),
      instance('e', { healthStatus: 'healthy' }),
      instance('f', { healthStatus: 'unhealthy', generation: 1 }),
    ];
    const after = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => instance(id, { healthStatus: 'healthy' }));
    after[3] = instance('d', { healthStatus: 'unknown' });
    after[5] = instance('f', { healthStatus: 'healthy', generation: 2 });
    expect(idsOf(changesBetween(before, after))).toEqual({ ...NONE, recovered: ['a', 'b'], replaced: ['f'] });
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

  it('reports instances that start and stop draining while they stay registered', () => {
    const draining = instance('b', { status: 'draining' });
    const before = [instance('a'), instance('b'), instance('c', { status: 'draining' })];
    const after = [instance('a', { status: 'maintenance' }), draining, instance('c')];
    const changes = changesBetween(before, after);
    expect(idsOf(changes)).toEqual({ ...NONE, retiring: ['b'], resumed: ['c'] });
    expect(deltaOf(changes)).toEqual({ joined: [after[2]], left: [draining] });
    expect(deltaOf(changesBetween(after, [after[0]!, { ...draining }, after[2]!]))).toBeUndefined();
  });

  it('agrees with set operations on ids for any two lists', () => {
    const ids = fc.uniqueArray(fc.integer({ min: 0, max: 12 }).map(String), { maxLength: 10 });
    fc.assert(
      fc.property(ids, ids, (before, after) => {
        expect(idsOf(changesBetween(list(...before), list(...after)))).toEqual({
          ...NONE,
          joined: after.filter((id) => !before.includes(id)).sort(),
          left: before.filter((id) => !after.includes(id)).sort(),
        });
      }),
      modelRuns('instance changes', 2_000),
    );
  });
});
