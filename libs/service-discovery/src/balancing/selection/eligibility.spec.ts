import { describe, expect, it } from '@jest/globals';
import { type ServiceInstance } from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { select, selectEligible } from './eligibility.js';
import { Preferences } from './preferences.js';
import { type PickContext } from '../load-balancer.js';
import { type LoadBalancingOptions } from '../load-balancing-options.js';
import { LOAD_BALANCING_OPTIONS } from '../load-balancing-options.js';

const instance = (instanceId: string, more: Partial<ServiceInstance> = {}): ServiceInstance =>
  fakeInstance({ instanceId, ...more });

/** The ids of the instances that may take a call, or why there is none. */
function idsOf(
  instances: readonly ServiceInstance[],
  context?: PickContext,
  options?: Partial<LoadBalancingOptions>,
): readonly string[] | string {
  const selected = selectEligible(instances, context, options && LOAD_BALANCING_OPTIONS.resolve(options));
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

  it('prefers healthy instances to unchecked ones and those to unhealthy ones, and never uses those taken out of rotation', () => {
    expect(idsOf(ofEachStatus)).toEqual(['healthy']);
    expect(idsOf(without('healthy'))).toEqual(['unknown']);
    expect(idsOf(without('healthy', 'unknown'))).toEqual(['unhealthy']);
    expect(idsOf(without('healthy', 'unknown', 'unhealthy'))).toBe('none_healthy');
  });

  describe('without a healthy instance', () => {
    const strict = { failOpen: false };
    const sick = instance('sick', { status: 'unhealthy' });
    const ill = instance('ill', { status: 'unhealthy' });

    it('uses an unhealthy instance rather than one that is draining, in maintenance or of weight 0', () => {
      expect(idsOf([instance('draining', { status: 'draining' }), sick])).toEqual(['sick']);
      expect(idsOf([instance('off', { weight: 0 }), instance('fixed', { status: 'maintenance' }), sick])).toEqual([
        'sick',
      ]);
    });

    it('uses none if the service must not fail open', () => {
      expect(idsOf([sick, ill], {}, strict)).toBe('none_healthy');
      expect(idsOf([sick, instance('unchecked', { status: 'unknown' })], {}, strict)).toEqual(['unchecked']);
    });

    it('uses none below the minimum healthy share', () => {
      expect(idsOf([sick, ill], {}, { minimumHealthyShare: 0.1 })).toBe('none_healthy');
    });

    it('prefers a reachable instance to a healthy unreachable one', () => {
      const list = [instance('gone'), instance('lost', { status: 'unknown' }), sick];
      const unreachable = new Set(['gone', 'lost']);
      expect(idsOf(list, { unreachable })).toEqual(['sick']);
      expect(idsOf(list, { unreachable: new Set(['gone']) })).toEqual(['lost']);
      expect(idsOf(list, { unreachable: new Set(['gone', 'lost', 'sick']) })).toEqual(['gone']);
      expect(idsOf(list, { unreachable }, strict)).toEqual(['gone']);
      expect(idsOf([sick, ill], { unreachable: new Set(['ill']) })).toEqual(['sick']);
      expect(idsOf([sick, ill], { unreachable: new Set(['sick', 'ill']) })).toEqual(['sick', 'ill']);
    });

    it('uses outliers before unhealthy instances', () => {
      expect(idsOf([instance('out'), sick], { avoid: new Set(['out']) })).toEqual(['out']);
      expect(idsOf([sick, ill], { avoid: new Set(['ill']) })).toEqual(['sick']);
    });

    it('uses an unhealthy instance if the circuits of all healthy ones are open, but none whose own circuit is open', () => {
      const open = (...ids: string[]): PickContext => ({
        refusal: ({ instanceId }) => (ids.includes(instanceId) ? 'circuit_open' : undefined),
      });
      expect(idsOf([instance('well'), sick], open('well'))).toEqual(['sick']);
      expect(idsOf([instance('well'), sick], open('well'), strict)).toBe('none_available');
      expect(idsOf([instance('well'), sick], open('well', 'sick'))).toBe('none_available');
      expect(idsOf([sick, ill], open('sick', 'ill'))).toBe('none_available');
    });

    it('uses no unhealthy instance if a reachable healthy one is at capacity', () => {
      const refusals = { busy: 'at_capacity', open: 'circuit_open' } as const;
      const context: PickContext = { refusal: ({ instanceId }) => refusals[instanceId as 'busy' | 'open'] };
      const [busy, open] = [instance('busy'), instance('open')];
      expect(idsOf([busy, sick], context)).toBe('none_available');
      expect(idsOf([{ ...busy, status: 'unknown' }, sick], context)).toBe('none_available');
      expect(idsOf([busy, open, sick], context)).toBe('none_available');
      expect(idsOf([{ ...busy, status: 'unhealthy' }, open, sick], context)).toEqual(['sick']);
      expect(idsOf([busy, open, sick], { ...context, unreachable: new Set(['busy']) })).toEqual(['sick']);
      expect(idsOf([busy, instance('gone'), sick], { ...context, unreachable: new Set(['gone']) })).toEqual(['gone']);
    });

    it('retries a healthy instance rather than an unhealthy one that was not tried', () => {
      expect(idsOf([instance('well'), sick], { exclude: new Set(['well']) })).toEqual(['well']);
      expect(idsOf([sick, ill], { exclude: new Set(['sick']) })).toEqual(['ill']);
    });

    it('respects the criteria of the call', () => {
      const list = [instance('other'), instance('mine', { status: 'unhealthy', tags: ['api'] })];
      expect(idsOf(list, { tags: ['api'] })).toEqual(['mine']);
    });

    it('uses no unhealthy version or level while another one has a healthy instance', () => {
      const old = instance('old', { status: 'unhealthy', version: '1.0.0', metadata: { level: 0 } });
      const next = instance('next', { version: '2.0.0', metadata: { level: 1 } });
      expect(idsOf([old, next], {}, { versionWeights: { '1.x': 95, '2.x': 5 } })).toEqual(['next']);
      expect(idsOf([old, next], {}, { priorities: { by: 'level' } })).toEqual(['next']);
      const both = [old, { ...next, status: 'unhealthy' as const }];
      expect(idsOf(both, {}, { versionWeights: { '1.x': 95, '2.x': 5 } })).toEqual(['old', 'next']);
      expect(idsOf(both, {}, { priorities: { by: 'level' } })).toEqual(['old', 'next']);
    });
  });

  it('uses the effective status: the operator status outranks health', () => {
    const drained = fakeInstance({ instanceId: 'a', operatorStatus: 'draining', healthStatus: 'healthy' });
    expect(idsOf([drained])).toBe('none_healthy');
  });

  it('excludes weight 0 and includes the smallest weight above it', () => {
    expect(idsOf([instance('off', { weight: 0 }), instance('low', { weight: 1 })])).toEqual(['low']);
    expect(idsOf([instance('off', { weight: 0 })])).toBe('none_healthy');
  });

  it('keeps the list order', () => {
    expect(idsOf(['c', 'a', 'b'].map((id) => instance(id)))).toEqual(['c', 'a', 'b']);
  });

  describe('by tags and version', () => {
    const list = [
      instance('a', { tags: ['api', 'fast'], version: '1.2.0' }),
      instance('b', { tags: ['api'], version: '2.0.0' }),
      instance('c', { tags: [] }),
    ];

    it('requires every tag and the version', () => {
      expect(idsOf(list, { tags: ['api'] })).toEqual(['a', 'b']);
      expect(idsOf(list, { tags: ['api', 'fast'] })).toEqual(['a']);
      expect(idsOf(list, { tags: ['api'], version: '>=2' })).toEqual(['b']);
      expect(idsOf(list, { tags: [] })).toEqual(['a', 'b', 'c']);
    });

    it('reports that none matches rather than that none is healthy', () => {
      expect(idsOf(list, { tags: ['API'] })).toBe('no_match');
      expect(idsOf(list, { version: '^3' })).toBe('no_match');
      expect(idsOf([], { version: '^3' })).toBe('no_instances');
      const sick = [instance('a', { status: 'unhealthy', tags: ['api'] })];
      expect(idsOf(sick, { tags: ['api'] }, { failOpen: false })).toBe('none_healthy');
    });

    it('matches an instance without a version to no range', () => {
      expect(idsOf(list, { version: '*' })).toEqual(['a', 'b']);
    });
  });

  describe('by preferences', () => {
    const near = { zone: 'near' };
    const list = [instance('a', { zone: 'near' }), instance('b', { zone: 'far' }), instance('c')];

    it('stays in the zone while it has an eligible instance', () => {
      expect(idsOf(list, near)).toEqual(['a']);
      expect(idsOf(list, { zone: 'nowhere' })).toEqual(['a', 'b', 'c']);
    });

    it('prefers healthy instances of another zone to unchecked ones of the zone', () => {
      const unchecked = instance('a', { zone: 'near', status: 'unknown' });
      expect(idsOf([unchecked, instance('b', { zone: 'far' })], near)).toEqual(['b']);
      expect(idsOf([unchecked, instance('b', { zone: 'far', status: 'unknown' })], near)).toEqual(['a']);
    });

    it('leaves out excluded instances while any other is left, before health and zone count', () => {
      expect(idsOf(list, { exclude: new Set(['a']) })).toEqual(['b', 'c']);
      expect(idsOf(list, { ...near, exclude: new Set(['a']) })).toEqual(['b', 'c']);
      expect(idsOf(list, { exclude: new Set(['a', 'b', 'c']) })).toEqual(['a', 'b', 'c']);
      const withUnchecked = [instance('a'), instance('b', { status: 'unknown' })];
      expect(idsOf(withUnchecked, { exclude: new Set(['a']) })).toEqual(['b']);
    });

    it('uses an excluded instance if no other is left, but never an unavailable one', () => {
      const refusal: PickContext['refusal'] = ({ instanceId }) => (instanceId === 'a' ? undefined : 'circuit_open');
      expect(idsOf(list, { exclude: new Set(['a']), refusal })).toEqual(['a']);
      expect(idsOf(list, { refusal: () => 'circuit_open' })).toBe('none_available');
    });

    it('calls refusal() only for instances that could take the call', () => {
      const asked: string[] = [];
      const refusal = ({ instanceId }: ServiceInstance): undefined => void asked.push(instanceId);
      idsOf(ofEachStatus, { refusal });
      expect(asked).toEqual(['healthy', 'unknown']);
    });
  });

  describe('with unchecked instances', () => {
    const list = (healthy: number, unchecked: number): ServiceInstance[] => [
      ...Array.from({ length: healthy }, (_, index) => instance(`h${index}`)),
      ...Array.from({ length: unchecked }, (_, index) => instance(`u${index}`, { healthStatus: 'unknown' })),
    ];

    it('prefers healthy ones while half of those that may serve are healthy', () => {
      expect(idsOf(list(2, 2))).toEqual(['h0', 'h1']);
      expect(idsOf(list(1, 1))).toEqual(['h0']);
    });

    it('does not send the calls of all to a few healthy ones', () => {
      expect(idsOf(list(2, 3))).toEqual(['h0', 'h1', 'u0', 'u1', 'u2']);
      expect(idsOf([...list(2, 3), instance('sick', { healthStatus: 'unhealthy' })])).toHaveLength(5);
    });

    it('counts by weight', () => {
      const [h0, h1, ...unchecked] = list(2, 3);
      expect(idsOf([{ ...h0!, weight: 200 }, h1!, ...unchecked])).toEqual(['h0', 'h1']);
    });

    it('uses the threshold: at 0 one healthy instance is enough, at 1 all have to be healthy', () => {
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

    it('ignores health below the panic threshold, but not the operator status', () => {
      expect(idsOf(list, {}, { panicThreshold: 0.5 })).toEqual(['well']);
      expect(idsOf(list, {}, { panicThreshold: 0.51 })).toEqual(['well', 'unchecked', 'sick', 'ill']);
      expect(idsOf(list.slice(2), {}, { panicThreshold: 0.1 })).toEqual(['sick', 'ill']);
      expect(idsOf(list.slice(4), {}, { panicThreshold: 0.1 })).toBe('none_healthy');
    });

    it('counts outliers as unavailable, and uses them too in a panic', () => {
      const avoid = new Set(['well']);
      expect(idsOf(list, { avoid }, { panicThreshold: 0.5 })).toEqual(['well', 'unchecked', 'sick', 'ill']);
      expect(idsOf(list, { avoid }, { panicThreshold: 0.25 })).toEqual(['unchecked']);
      expect(idsOf(list, { avoid })).toEqual(['unchecked']);
    });

    it('includes unchecked instances in a panic of another version without a healthy one', () => {
      const [one, other] = [
        instance('one', { version: '1.0.0', status: 'unknown' }),
        instance('other', { status: 'unknown' }),
      ];
      const options = { panicThreshold: 0.9, uncheckedThreshold: 0, versionWeights: { '1.x': 95 } };
      expect(idsOf([one, other, instance('sick', { status: 'unhealthy' })], {}, options)).toEqual(['one']);
    });

    it('leaves out tried and refused instances also in a panic', () => {
      const exclude = new Set(['well', 'sick']);
      expect(idsOf(list, { exclude }, { panicThreshold: 1 })).toEqual(['unchecked', 'ill']);
      const refusal: PickContext['refusal'] = ({ instanceId }) => (instanceId === 'ill' ? 'circuit_open' : undefined);
      expect(idsOf(list, { exclude, refusal }, { panicThreshold: 1 })).toEqual(['unchecked']);
    });

    it('reports the service as unavailable unless more than the minimum share is healthy, like Kong', () => {
      expect(idsOf(list, {}, { minimumHealthyShare: 0.49 })).toEqual(['well']);
      expect(idsOf(list, {}, { minimumHealthyShare: 0.5 })).toBe('too_few_healthy');
      expect(idsOf(list, { avoid: new Set(['well']) }, { minimumHealthyShare: 0.5 })).toBe('too_few_healthy');
      expect(idsOf(list, {}, { panicThreshold: 0.8, minimumHealthyShare: 0.6 })).toBe('too_few_healthy');
      expect(idsOf(list.slice(2), {}, { minimumHealthyShare: 0.5 })).toBe('none_healthy');
    });

    it('counts by weight, among the instances that match the call', () => {
      const heavy = instance('well', { weight: 300, tags: ['api'] });
      const light = instance('sick', { weight: 100, healthStatus: 'unhealthy', tags: ['api'] });
      const other = instance('other', { weight: 900, healthStatus: 'unhealthy' });
      const criteria = { tags: ['api'] };
      expect(idsOf([heavy, light, other], criteria, { minimumHealthyShare: 0.74 })).toEqual(['well']);
      expect(idsOf([heavy, light, other], criteria, { minimumHealthyShare: 0.75 })).toBe('too_few_healthy');
      expect(idsOf([heavy, light, other], {}, { minimumHealthyShare: 0.75 })).toBe('too_few_healthy');
    });
  });

  describe('in a panic of one level, zone or version', () => {
    const several = (count: number, healthy: number, more: Partial<ServiceInstance>): ServiceInstance[] =>
      Array.from({ length: count }, (_, index) =>
        instance(`${JSON.stringify(more)} ${index}`, {
          ...more,
          status: index < healthy ? 'healthy' : 'unhealthy',
        }),
      );
    const panicThreshold = 0.5;
    const divisions: [string, Partial<LoadBalancingOptions>, Partial<ServiceInstance>, Partial<ServiceInstance>][] = [
      ['levels', { priorities: { by: 'level' } }, { metadata: { level: 0 } }, { metadata: { level: 1 } }],
      ['zones', { zone: { prefer: 'near' } }, { zone: 'near' }, { zone: 'far' }],
    ];
    /** The share of calls of the first and the second part, and how many instances of each take them. */
    const sharesOf = (
      first: ServiceInstance[],
      second: ServiceInstance[],
      options: Partial<LoadBalancingOptions>,
    ): [number, number][] => {
      const list = [...first, ...second];
      const selected = select(list, {}, new Preferences(LOAD_BALANCING_OPTIONS.resolve(options)));
      if (selected.kind === 'unavailable') throw new Error(selected.reason);
      return [first, second].map((part) => {
        const pool = selected.pools.find(({ members }) => members.some((member) => part.includes(member)));
        return [Math.round((pool?.share ?? 0) * 1_000) / 1_000, pool?.members.length ?? 0];
      });
    };

    it.each(divisions)(
      'sends nothing to the dead one of two %s while the other can carry all calls',
      (_name, by, one, other) => {
        expect(sharesOf(several(6, 0, one), several(5, 5, other), { panicThreshold, ...by })).toEqual([
          [0, 0],
          [1, 5],
        ]);
      },
    );

    it('sends nothing to a dead version while another one has a healthy instance', () => {
      const versionWeights = { '1.x': 95, '2.x': 5 };
      const [old, next] = [{ version: '1.0.0' }, { version: '2.0.0' }];
      expect(sharesOf(several(6, 0, old), several(5, 5, next), { panicThreshold, versionWeights })).toEqual([
        [0, 0],
        [1, 5],
      ]);
      // Panic is decided per version.
      expect(sharesOf(several(10, 1, old), several(5, 5, next), { panicThreshold, versionWeights })).toEqual([
        [0.95, 10],
        [0.05, 5],
      ]);
      expect(sharesOf(several(6, 0, old), several(5, 0, next), { panicThreshold, versionWeights })).toEqual([
        [0.95, 6],
        [0.05, 5],
      ]);
    });

    // The tables in Envoy's documentation, with an overprovisioning factor of 1.4.
    it.each(divisions)('splits calls between %s like Envoy', (_name, by, one, other) => {
      const { priorities, zone } = by;
      const minimumHealthyShare = 1 / 1.4;
      const options: Partial<LoadBalancingOptions> = {
        panicThreshold,
        priorities: priorities && { ...priorities, minimumHealthyShare },
        zone: zone && { ...zone, minimumHealthyShare },
      };
      const shares = (first: number, second: number): [number, number][] =>
        sharesOf(several(20, first, one), several(20, second, other), options);
      // Together they can carry all calls, so there is no panic.
      expect(shares(15, 15)).toEqual([
        [1, 15],
        [0, 0],
      ]);
      expect(shares(10, 10)).toEqual([
        [0.7, 10],
        [0.3, 10],
      ]);
      expect(shares(10, 12)).toEqual([
        [0.7, 10],
        [0.3, 12],
      ]);
      expect(shares(5, 20)).toEqual([
        [0.35, 5],
        [0.65, 20],
      ]);
      // They cannot, so those below the threshold are in a panic.
      expect(shares(5, 5)).toEqual([
        [0.5, 20],
        [0.5, 20],
      ]);
      expect(shares(1, 13)).toEqual([
        [0.071, 20],
        [0.929, 13],
      ]);
      expect(shares(0, 10)).toEqual([
        [0, 0],
        [1, 10],
      ]);
      expect(shares(0, 0)).toEqual([
        [0.5, 20],
        [0.5, 20],
      ]);
    });

    it('splits calls by the size of the levels if all of them are in a panic', () => {
      const [, by, one, other] = divisions[0]!;
      expect(sharesOf(several(6, 1, one), several(2, 0, other), { panicThreshold, ...by })).toEqual([
        [0.75, 6],
        [0.25, 2],
      ]);
    });

    it('avoids unreachable instances', () => {
      const list = several(4, 1, {});
      const gone = list[3]!.instanceId;
      expect(idsOf(list, { unreachable: new Set([gone]) }, { panicThreshold })).toHaveLength(3);
    });
  });

  describe('by version weights and routes', () => {
    const list = [
      instance('old', { version: '1.4.0' }),
      instance('new', { version: '2.0.0' }),
      instance('none'),
      instance('next', { version: '3.0.0' }),
    ];

    it('includes all versions with a weight', () => {
      expect(idsOf(list, {}, { versionWeights: { '1.x': 95, '2.x': 5 } })).toEqual(['old', 'new']);
      expect(idsOf(list, {}, { versionWeights: { '1.x': 95, '2.x': 0 } })).toEqual(['old']);
      expect(idsOf(list, { version: '>=2' }, { versionWeights: { '1.x': 95, '2.x': 5 } })).toEqual(['new']);
    });

    it('uses unlisted versions if no listed one is left, but none of weight 0', () => {
      expect(idsOf(list.slice(1), {}, { versionWeights: { '1.x': 100, '2.x': 0 } })).toEqual(['none', 'next']);
      expect(idsOf(list.slice(1, 2), {}, { versionWeights: { '1.x': 100, '2.x': 0 } })).toBe('no_match');
      const refusal: PickContext['refusal'] = ({ version }) => (version === '2.0.0' ? undefined : 'circuit_open');
      expect(idsOf(list, { refusal }, { versionWeights: { '1.x': 100, '2.x': 0 } })).toBe('none_available');
      const exclude = new Set(['old', 'new']);
      expect(idsOf(list, { exclude }, { versionWeights: { '1.x': 95, '2.x': 5 } })).toEqual(['none', 'next']);
    });

    it('uses a version of weight 0 for a call that asks for it alone, not for one that asks for others too', () => {
      const versionWeights = { '1.x': 100, '2.x': 0 };
      expect(idsOf(list, { version: '2.x' }, { versionWeights })).toEqual(['new']);
      expect(idsOf(list, { version: '>=1' }, { versionWeights })).toEqual(['old']);
      expect(idsOf(list, { version: '2.x', tags: ['none'] }, { versionWeights })).toBe('no_match');
    });

    it('uses the version of the first matching route, with any weight', () => {
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

    it('stays at the first level while it can carry the calls, and uses the next one as well when it cannot', () => {
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

    it('reads levels as numbers or numeric texts, or calls the function', () => {
      const list = [at('low', '10'), at('none', 'x'), at('high', -1), at('nan', Number.NaN)];
      expect(idsOf(list, {}, { priorities })).toEqual(['high']);
      expect(idsOf(list, {}, { priorities: { by: 'level', otherwise: -2 } })).toEqual(['none', 'nan']);
      expect(
        idsOf(list, {}, { priorities: { by: ({ instanceId }) => (instanceId === 'low' ? -5 : undefined) } }),
      ).toEqual(['low']);
    });

    it('spills over to other levels if a retry has tried all of one', () => {
      const list = [at('a', 0), at('b', 1), at('c', 2)];
      expect(idsOf(list, { exclude: new Set(['a']) }, { priorities })).toEqual(['b']);
      expect(idsOf(list, { exclude: new Set(['a', 'b']) }, { priorities })).toEqual(['c']);
    });

    it('does not count instances that a retry has tried as unavailable', () => {
      const list = [at('a1', 0), at('a2', 0), at('b', 1)];
      expect(idsOf(list, { exclude: new Set(['a1']) }, { priorities })).toEqual(['a2']);
    });

    it('ignores a level that is not a number', () => {
      expect(idsOf([at('blank', ' '), at('one', '1')], {}, { priorities: { by: 'level', otherwise: 2 } })).toEqual([
        'one',
      ]);
    });

    const zone = { prefer: 'x' };
    it('prefers the zone of the options or of the call, and spills over when too little of it is available', () => {
      const list = [1, 2, 3].map((index) => instance(`x${index}`, { zone: 'x' }));
      const far = [instance('y1', { zone: 'y' }), instance('none')];
      expect(idsOf([...list, ...far], {}, { zone })).toEqual(['x1', 'x2', 'x3']);
      expect(idsOf([...list, ...far], { zone: 'y' }, { zone })).toEqual(['y1']);
      const weak = [...list.slice(0, 2), { ...list[2]!, status: 'unhealthy' as const }, ...far];
      expect(idsOf(weak, {}, { zone })).toEqual(['x1', 'x2', 'y1', 'none']);
      expect(idsOf(weak, {}, { zone: { prefer: 'x', minimumHealthyShare: 0.6 } })).toEqual(['x1', 'x2']);
      expect(idsOf(weak, { zone: 'x' }, { zone: { prefer: 'y' } })).toEqual(['x1', 'x2', 'y1', 'none']);
      // The zone of a call alone has no minimum.
      expect(idsOf(weak, { zone: 'x' })).toEqual(['x1', 'x2']);
      expect(idsOf(far, {}, { zone })).toEqual(['y1', 'none']);
    });

    it('counts outliers of the zone as unavailable', () => {
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

    it('includes its size and no more of the instances that can take the call', () => {
      const taken = idsOf(list, {}, { subset }) as string[];
      expect(taken).toHaveLength(3);
      const others = idsOf(list, { exclude: new Set(taken) }, { subset }) as string[];
      expect(others).toHaveLength(3);
      expect(others.some((id) => taken.includes(id))).toBe(false);
    });

    it('is chosen from the zone', () => {
      const taken = idsOf(list, {}, { subset, zone: { prefer: 'x' } }) as string[];
      expect(taken).toHaveLength(3);
      expect(taken.every((id) => Number(id.slice(1)) < 5)).toBe(true);
    });
  });
});
