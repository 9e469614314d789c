import { describe, expect, it } from '@jest/globals';
import { type ServiceInstance } from '../model/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { selectEligible } from './select-eligible.js';
import { type PickContext } from './load-balancer.js';
import { type LoadBalancingOptions } from './load-balancing-options.js';
import { resolveLoadBalancingOptions } from './resolve-load-balancing-options.js';

const instance = (instanceId: string, more: Partial<ServiceInstance> = {}): ServiceInstance =>
  fakeInstance({ instanceId, ...more });

/** The ids of those who may take a call, or why there is none. */
function idsOf(
  instances: readonly ServiceInstance[],
  context?: PickContext,
  options?: Partial<LoadBalancingOptions>,
): readonly string[] | string {
  const selected = selectEligible(instances, context, options && resolveLoadBalancingOptions(options));
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

  describe('with instances that nobody has checked yet', () => {
    const list = (healthy: number, unchecked: number): ServiceInstance[] => [
      ...Array.from({ length: healthy }, (_, index) => instance(`h${index}`)),
      ...Array.from({ length: unchecked }, (_, index) => instance(`u${index}`, { healthStatus: 'unknown' })),
    ];

    it('leaves them behind as long as half of those that may serve are healthy', () => {
      expect(idsOf(list(2, 2))).toEqual(['h0', 'h1']);
      expect(idsOf(list(1, 1))).toEqual(['h0']);
    });

    it('does not load the few that are healthy with what all of them should bear', () => {
      expect(idsOf(list(2, 3))).toEqual(['h0', 'h1', 'u0', 'u1', 'u2']);
      expect(idsOf([...list(2, 3), instance('sick', { healthStatus: 'unhealthy' })])).toHaveLength(5);
    });

    it('goes by the weights', () => {
      const [h0, h1, ...unchecked] = list(2, 3);
      expect(idsOf([{ ...h0!, weight: 200 }, h1!, ...unchecked])).toEqual(['h0', 'h1']);
    });

    it('goes by the threshold: 0 leaves them behind one that is healthy, 1 behind none but all', () => {
      expect(idsOf(list(1, 9), {}, { uncheckedThreshold: 0 })).toEqual(['h0']);
      expect(idsOf(list(0, 2), {}, { uncheckedThreshold: 0 })).toEqual(['u0', 'u1']);
      expect(idsOf(list(9, 1), {}, { uncheckedThreshold: 1 })).toHaveLength(10);
      expect(idsOf(list(2, 8), {}, { uncheckedThreshold: 0.2 })).toEqual(['h0', 'h1']);
      expect(idsOf(list(2, 9), {}, { uncheckedThreshold: 0.2 })).toHaveLength(11);
    });
  });

  describe('when few are healthy', () => {
    const list = [
      instance('well'),
      instance('unchecked', { healthStatus: 'unknown' }),
      instance('sick', { healthStatus: 'unhealthy' }),
      instance('ill', { healthStatus: 'unhealthy' }),
      instance('draining', { operatorStatus: 'draining' }),
      instance('off', { weight: 0 }),
    ];

    it('minds health no more below the panic threshold, but the word of an operator', () => {
      expect(idsOf(list, {}, { panicThreshold: 0.5 })).toEqual(['well']);
      expect(idsOf(list, {}, { panicThreshold: 0.51 })).toEqual(['well', 'unchecked', 'sick', 'ill']);
      expect(idsOf(list.slice(2), {}, { panicThreshold: 0.1 })).toEqual(['sick', 'ill']);
      expect(idsOf(list.slice(4), {}, { panicThreshold: 0.1 })).toBe('none_healthy');
    });

    it('counts outliers as ill, and takes them too in a panic', () => {
      const avoid = new Set(['well']);
      expect(idsOf(list, { avoid }, { panicThreshold: 0.5 })).toEqual(['well', 'unchecked', 'sick', 'ill']);
      expect(idsOf(list, { avoid }, { panicThreshold: 0.25 })).toEqual(['unchecked']);
      expect(idsOf(list, { avoid })).toEqual(['unchecked']);
    });

    it('still leaves out in a panic who was tried or is refused', () => {
      const exclude = new Set(['well', 'sick']);
      expect(idsOf(list, { exclude }, { panicThreshold: 1 })).toEqual(['unchecked', 'ill']);
      const refusal = ({ instanceId }: ServiceInstance): string | undefined =>
        instanceId === 'ill' ? 'circuit_open' : undefined;
      expect(idsOf(list, { exclude, refusal }, { panicThreshold: 1 })).toEqual(['unchecked']);
    });

    it('counts the service as unavailable unless more than the minimum share is healthy, as Kong does', () => {
      expect(idsOf(list, {}, { minimumHealthyShare: 0.49 })).toEqual(['well']);
      expect(idsOf(list, {}, { minimumHealthyShare: 0.5 })).toBe('too_few_healthy');
      expect(idsOf(list, { avoid: new Set(['well']) }, { minimumHealthyShare: 0.5 })).toBe('too_few_healthy');
      expect(idsOf(list, {}, { panicThreshold: 0.8, minimumHealthyShare: 0.6 })).toBe('too_few_healthy');
      expect(idsOf(list.slice(2), {}, { minimumHealthyShare: 0.5 })).toBe('none_healthy');
    });

    it('goes by weights, among those that the call asks for', () => {
      const heavy = instance('well', { weight: 300, tags: ['api'] });
      const light = instance('sick', { weight: 100, healthStatus: 'unhealthy', tags: ['api'] });
      const other = instance('other', { weight: 900, healthStatus: 'unhealthy' });
      const criteria = { tags: ['api'] };
      expect(idsOf([heavy, light, other], criteria, { minimumHealthyShare: 0.74 })).toEqual(['well']);
      expect(idsOf([heavy, light, other], criteria, { minimumHealthyShare: 0.75 })).toBe('too_few_healthy');
      expect(idsOf([heavy, light, other], {}, { minimumHealthyShare: 0.75 })).toBe('too_few_healthy');
    });
  });

  describe('by version weights and routes', () => {
    const list = [
      instance('old', { version: '1.4.0' }),
      instance('new', { version: '2.0.0' }),
      instance('none'),
      instance('next', { version: '3.0.0' }),
    ];

    it('takes all versions that have a weight', () => {
      expect(idsOf(list, {}, { versionWeights: { '1.x': 95, '2.x': 5 } })).toEqual(['old', 'new']);
      expect(idsOf(list, {}, { versionWeights: { '1.x': 95, '2.x': 0 } })).toEqual(['old']);
      expect(idsOf(list, { version: '>=2' }, { versionWeights: { '1.x': 95, '2.x': 5 } })).toEqual(['new']);
    });

    it('takes versions that are not listed where none of the listed is left, but none of weight 0', () => {
      expect(idsOf(list.slice(1), {}, { versionWeights: { '1.x': 100, '2.x': 0 } })).toEqual(['none', 'next']);
      expect(idsOf(list.slice(1, 2), {}, { versionWeights: { '1.x': 100, '2.x': 0 } })).toBe('no_match');
      const refusal = ({ version }: ServiceInstance): string | undefined =>
        version === '2.0.0' ? undefined : 'circuit_open';
      expect(idsOf(list, { refusal }, { versionWeights: { '1.x': 100, '2.x': 0 } })).toBe('none_available');
      const exclude = new Set(['old', 'new']);
      expect(idsOf(list, { exclude }, { versionWeights: { '1.x': 95, '2.x': 5 } })).toEqual(['none', 'next']);
    });

    it('takes a version of weight 0 for who asks for it, not for who asks for others too', () => {
      const versionWeights = { '1.x': 100, '2.x': 0 };
      expect(idsOf(list, { version: '2.x' }, { versionWeights })).toEqual(['new']);
      expect(idsOf(list, { version: '>=1' }, { versionWeights })).toEqual(['old']);
      expect(idsOf(list, { version: '2.x', tags: ['none'] }, { versionWeights })).toBe('no_match');
    });

    it('goes to the version of the first route that fits, whatever its weight', () => {
      const options: Partial<LoadBalancingOptions> = {
        routes: [
          { header: 'x-canary', value: 'yes', version: '2.x' },
          { header: 'x-canary', version: '3.x' },
        ],
        versionWeights: { '1.x': 1, '2.x': 0 },
      };
      expect(idsOf(list, {}, options)).toEqual(['old']);
      expect(idsOf(list, { headers: { 'x-canary': 'yes' } }, options)).toEqual(['new']);
      expect(idsOf(list, { headers: { 'x-canary': 'no' } }, options)).toEqual(['next']);
      expect(idsOf(list.slice(0, 1), { headers: { 'x-canary': 'yes' } }, options)).toBe('no_match');
      expect(idsOf(list, { version: '1.x', headers: { 'x-canary': 'yes' } }, options)).toBe('no_match');
    });
  });

  describe('by levels and zones', () => {
    const at = (instanceId: string, level: unknown, more: Partial<ServiceInstance> = {}): ServiceInstance =>
      instance(instanceId, { metadata: { level }, ...more });
    const priorities = { by: 'level' };

    it('stays at the first level while it can bear the calls, and takes the next one beside it when not', () => {
      const list = [at('b1', 1), at('a1', 0), at('a2', 0), at('a3', 0), at('c', 2)];
      const [b1, a1, a2, a3, c] = list as [
        ServiceInstance,
        ServiceInstance,
        ServiceInstance,
        ServiceInstance,
        ServiceInstance,
      ];
      const sick = { status: 'unhealthy' } as const;
      expect(idsOf(list, {}, { priorities })).toEqual(['a1', 'a2', 'a3']);
      expect(idsOf([b1, a1, a2, { ...a3, ...sick }, c], {}, { priorities })).toEqual(['b1', 'a1', 'a2']);
      expect(
        idsOf([b1, a1, a2, { ...a3, ...sick }], {}, { priorities: { by: 'level', minimumHealthyShare: 0.6 } }),
      ).toEqual(['a1', 'a2']);
      expect(idsOf([{ ...b1, ...sick }, c], {}, { priorities })).toEqual(['c']);
    });

    it('reads levels as numbers, in texts too, or asks the function', () => {
      const list = [at('low', '10'), at('none', 'x'), at('high', -1), at('nan', Number.NaN)];
      expect(idsOf(list, {}, { priorities })).toEqual(['high']);
      expect(idsOf(list, {}, { priorities: { by: 'level', otherwise: -2 } })).toEqual(['none', 'nan']);
      expect(
        idsOf(list, {}, { priorities: { by: ({ instanceId }) => (instanceId === 'low' ? -5 : undefined) } }),
      ).toEqual(['low']);
    });

    it('spills over to other levels where a retry has tried all of one', () => {
      const list = [at('a', 0), at('b', 1), at('c', 2)];
      expect(idsOf(list, { exclude: new Set(['a']) }, { priorities })).toEqual(['b']);
      expect(idsOf(list, { exclude: new Set(['a', 'b']) }, { priorities })).toEqual(['c']);
    });

    it('does not take the part of a level that a retry has tried for its illness', () => {
      const list = [at('a1', 0), at('a2', 0), at('b', 1)];
      expect(idsOf(list, { exclude: new Set(['a1']) }, { priorities })).toEqual(['a2']);
    });

    it('takes a text without a number for no level', () => {
      expect(idsOf([at('blank', ' '), at('one', '1')], {}, { priorities: { by: 'level', otherwise: 2 } })).toEqual([
        'one',
      ]);
    });

    const zone = { prefer: 'x' };
    it('prefers the zone of the options, or that of the call, and spills over when it is weak', () => {
      const list = [1, 2, 3].map((index) => instance(`x${index}`, { zone: 'x' }));
      const far = [instance('y1', { zone: 'y' }), instance('none')];
      expect(idsOf([...list, ...far], {}, { zone })).toEqual(['x1', 'x2', 'x3']);
      expect(idsOf([...list, ...far], { zone: 'y' }, { zone })).toEqual(['y1']);
      const weak = [...list.slice(0, 2), { ...list[2]!, status: 'unhealthy' as const }, ...far];
      expect(idsOf(weak, {}, { zone })).toEqual(['x1', 'x2', 'y1', 'none']);
      expect(idsOf(weak, {}, { zone: { prefer: 'x', minimumHealthyShare: 0.6 } })).toEqual(['x1', 'x2']);
      expect(idsOf(weak, { zone: 'x' }, { zone: { prefer: 'y' } })).toEqual(['x1', 'x2', 'y1', 'none']);
      // A call's own zone alone is a mere preference.
      expect(idsOf(weak, { zone: 'x' })).toEqual(['x1', 'x2']);
      expect(idsOf(far, {}, { zone })).toEqual(['y1', 'none']);
    });

    it('counts outliers of the zone as ill', () => {
      const list = ['a', 'b', 'c'].map((id) => instance(id, { zone: 'x' }));
      const far = instance('far', { zone: 'y' });
      expect(idsOf([...list, far], { avoid: new Set(['a']) }, { zone })).toEqual(['b', 'c', 'far']);
    });

    it('prefers the zone within a level', () => {
      const list = [at('far', 0, { zone: 'y' }), at('near', 1, { zone: 'x' })];
      expect(idsOf(list, {}, { priorities, zone })).toEqual(['far']);
      const both = [...list, at('first', 0, { zone: 'x' })];
      expect(idsOf(both, {}, { priorities, zone })).toEqual(['first']);
    });
  });

  describe('by the subset of a client', () => {
    const list = Array.from({ length: 10 }, (_, index) => instance(`i${index}`, { zone: index < 5 ? 'x' : 'y' }));
    const subset = { size: 3, clientId: 'me' };

    it('takes so many and no more, of those that can take the call', () => {
      const taken = idsOf(list, {}, { subset }) as string[];
      expect(taken).toHaveLength(3);
      const others = idsOf(list, { exclude: new Set(taken) }, { subset }) as string[];
      expect(others).toHaveLength(3);
      expect(others.some((id) => taken.includes(id))).toBe(false);
    });

    it('takes them out of the zone', () => {
      const taken = idsOf(list, {}, { subset, zone: { prefer: 'x' } }) as string[];
      expect(taken).toHaveLength(3);
      expect(taken.every((id) => Number(id.slice(1)) < 5)).toBe(true);
    });
  });
});
