import { describe, expect, it } from '@jest/globals';
import { type ServiceInstance } from '../model/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { selectEligible } from './eligibility.js';
import { type PickContext } from './load-balancer.js';

const instance = (instanceId: string, more: Partial<ServiceInstance> = {}): ServiceInstance =>
  fakeInstance({ instanceId, ...more });

/** The ids of those who may take a call, or why there is none. */
function idsOf(instances: readonly ServiceInstance[], context?: PickContext): readonly string[] | string {
  const selected = selectEligible(instances, context);
  return selected.kind === 'eligible' ? selected.instances.map(({ instanceId }) => instanceId) : selected.reason;
}

describe('selectEligible', () => {
  const ofEachStatus = [
    instance('healthy'),
    instance('unknown', { status: 'unknown' }),
    instance('unhealthy', { status: 'unhealthy' }),
    instance('draining', { status: 'draining' }),
    instance('maintenance', { status: 'maintenance' }),
  ];
  const without = (...ids: string[]): ServiceInstance[] =>
    ofEachStatus.filter(({ instanceId }) => !ids.includes(instanceId));

  it('takes the healthy before those not checked yet, and the unhealthy and those taken out never', () => {
    expect(idsOf(ofEachStatus)).toEqual(['healthy']);
    expect(idsOf(without('healthy'))).toEqual(['unknown']);
    expect(idsOf(without('healthy', 'unknown'))).toBe('none_healthy');
    expect(idsOf(without('healthy', 'unknown', 'unhealthy'))).toBe('none_healthy');
  });

  it("goes by the effective status: the operator's word outranks health", () => {
    const drained = fakeInstance({ instanceId: 'a', operatorStatus: 'draining', healthStatus: 'healthy' });
    expect(idsOf([drained])).toBe('none_healthy');
  });

  it('takes nobody of weight 0, and the smallest weight above it', () => {
    expect(idsOf([instance('off', { weight: 0 }), instance('low', { weight: 1 })])).toEqual(['low']);
    expect(idsOf([instance('off', { weight: 0 })])).toBe('none_healthy');
  });

  it('keeps the order of the list', () => {
    expect(idsOf(['c', 'a', 'b'].map((id) => instance(id)))).toEqual(['c', 'a', 'b']);
  });

  describe('by tags and version', () => {
    const list = [
      instance('a', { tags: ['api', 'fast'], version: '1.2.0' }),
      instance('b', { tags: ['api'], version: '2.0.0' }),
      instance('c', { tags: [] }),
    ];

    it('wants every tag and the version', () => {
      expect(idsOf(list, { tags: ['api'] })).toEqual(['a', 'b']);
      expect(idsOf(list, { tags: ['api', 'fast'] })).toEqual(['a']);
      expect(idsOf(list, { tags: ['api'], version: '>=2' })).toEqual(['b']);
      expect(idsOf(list, { tags: [] })).toEqual(['a', 'b', 'c']);
    });

    it('says that none matches, rather than that none is healthy', () => {
      expect(idsOf(list, { tags: ['API'] })).toBe('no_match');
      expect(idsOf(list, { version: '^3' })).toBe('no_match');
      expect(idsOf([], { version: '^3' })).toBe('no_instances');
      const sick = [instance('a', { status: 'unhealthy', tags: ['api'] })];
      expect(idsOf(sick, { tags: ['api'] })).toBe('none_healthy');
    });

    it('does not take an instance without a version into any range', () => {
      expect(idsOf(list, { version: '*' })).toEqual(['a', 'b']);
    });
  });

  describe('by what is preferred', () => {
    const near = { zone: 'near' };
    const list = [instance('a', { zone: 'near' }), instance('b', { zone: 'far' }), instance('c')];

    it('stays in the zone while it has somebody', () => {
      expect(idsOf(list, near)).toEqual(['a']);
      expect(idsOf(list, { zone: 'nowhere' })).toEqual(['a', 'b', 'c']);
    });

    it('prefers the healthy of another zone to those of the zone that were not checked yet', () => {
      const unchecked = instance('a', { zone: 'near', status: 'unknown' });
      expect(idsOf([unchecked, instance('b', { zone: 'far' })], near)).toEqual(['b']);
      expect(idsOf([unchecked, instance('b', { zone: 'far', status: 'unknown' })], near)).toEqual(['a']);
    });

    it('leaves out the excluded as long as any is left, before it minds health or zone', () => {
      expect(idsOf(list, { exclude: new Set(['a']) })).toEqual(['b', 'c']);
      expect(idsOf(list, { ...near, exclude: new Set(['a']) })).toEqual(['b', 'c']);
      expect(idsOf(list, { exclude: new Set(['a', 'b', 'c']) })).toEqual(['a', 'b', 'c']);
      const withUnchecked = [instance('a'), instance('b', { status: 'unknown' })];
      expect(idsOf(withUnchecked, { exclude: new Set(['a']) })).toEqual(['b']);
    });

    it('returns to an excluded instance rather than to nobody, but never to one that is unavailable', () => {
      const refusal = ({ instanceId }: ServiceInstance): string | undefined =>
        instanceId === 'a' ? undefined : 'circuit_open';
      expect(idsOf(list, { exclude: new Set(['a']), refusal })).toEqual(['a']);
      expect(idsOf(list, { refusal: () => 'circuit_open' })).toBe('none_available');
    });

    it('asks whether one is refused only where an instance could take the call', () => {
      const asked: string[] = [];
      const refusal = ({ instanceId }: ServiceInstance): undefined => void asked.push(instanceId);
      idsOf(ofEachStatus, { refusal });
      expect(asked).toEqual(['healthy', 'unknown']);
    });
  });
});
