import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Outcome, seededRandom } from '../common/index.js';
import { type ServiceInstance, SILENT } from '../model/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { ManualClock } from '../testing/manual-clock.js';
import { createLoadBalancer } from './load-balancing.js';
import { LoadTracker } from './load/load-tracker.js';
import { type LoadBalancer, type PickContext } from './load-balancer.js';
import { type LoadBalancingOptions } from './load-balancing-options.js';
import { LOAD_BALANCING_OPTIONS } from './load-balancing-options.js';
import { StrategyBalancer } from './strategy-balancer.js';
import { type Candidate, type PickArgs, type Strategy } from './strategies/strategy.js';
import { LoadBalancingStrategy } from './strategies/strategy-names.js';

const ANSWERED: Outcome = { kind: 'response', status: 200, latencyMs: 10 };

/** Chooses the first candidate and records its arguments. */
class First implements Strategy {
  readonly admitted: string[] = [];
  readonly updates: string[][] = [];
  readonly choices: (readonly Candidate[])[] = [];
  readonly picks: PickArgs[] = [];
  usual: readonly Candidate[] = [];

  admit(known: Candidate): Candidate {
    this.admitted.push(known.instance.instanceId);
    return known;
  }

  update(usual: readonly Candidate[]): void {
    this.usual = usual;
    this.updates.push(idsOf(usual));
  }

  choose(candidates: readonly Candidate[], args: PickArgs): Candidate {
    this.choices.push(candidates);
    this.picks.push(args);
    return candidates[0]!;
  }
}

function idsOf(candidates: readonly Candidate[]): string[] {
  return candidates.map(({ instance }) => instance.instanceId);
}

function refusing(id: string): PickContext['refusal'] {
  return ({ instanceId }) => (instanceId === id ? 'circuit_open' : undefined);
}

describe('StrategyBalancer', () => {
  let strategy: First;
  let loads: LoadTracker;
  let balancer: StrategyBalancer;
  const [a, b, c] = ['a', 'b', 'c'].map((instanceId) => fakeInstance({ instanceId })) as [
    ServiceInstance,
    ServiceInstance,
    ServiceInstance,
  ];
  const pick = (context?: PickContext): string => {
    const result = balancer.pick(context);
    return result.kind === 'picked' ? result.instance.instanceId : result.reason;
  };

  beforeEach(() => {
    strategy = new First();
    const clock = new ManualClock();
    loads = new LoadTracker({ clock });
    balancer = new StrategyBalancer('first', strategy, {
      loads,
      clock,
      random: () => 0,
      events: SILENT,
      options: LOAD_BALANCING_OPTIONS.resolve(),
    });
  });

  it('makes a plan once per criteria, and again after a change', () => {
    balancer.update([a, { ...b, zone: 'z' }, { ...c, zone: 'z' }]);
    for (let time = 0; time < 2; time++) expect(pick({ zone: 'z' })).toBe('b');
    expect(strategy.choices[1]).toBe(strategy.choices[0]);
    expect(pick({ zone: 'z', tags: ['none'] })).toBe('no_match');
    expect(pick({ zone: 'z', refusal: refusing('b') })).toBe('c');
    expect(pick({ zone: 'z', exclude: new Set(['b']) })).toBe('c');
    balancer.update([a, { ...c, zone: 'z' }]);
    expect(pick({ zone: 'z' })).toBe('c');
  });

  it('bounds the number of cached criteria', () => {
    balancer.update([a]);
    for (let index = 0; index < 1_000; index++) pick({ zone: `zone-${index}` });
    const before = strategy.choices.length;
    pick({ zone: 'zone-0' });
    pick({ zone: 'zone-999' });
    expect(strategy.choices[before]).not.toBe(strategy.choices[0]);
    expect(strategy.choices[before + 1]).toBe(strategy.choices[999]);
  });

  it('keeps the load of an instance through unrelated changes', () => {
    balancer.update([a, b]);
    const inFlight = balancer.pick();
    balancer.update([{ ...a, metadata: { changed: true } }, b, c]);
    balancer.update([c, { ...a, status: 'unhealthy' }]);
    balancer.update([c, a]);
    expect(loads.of('a').active).toBe(1);
    if (inFlight.kind === 'picked') inFlight.done(ANSWERED);
    expect([loads.of('a').active, loads.of('a').ewmaMs(0)]).toEqual([0, 10]);
    expect(strategy.admitted).toEqual(['a', 'b', 'c']);
  });

  it('admits an instance again that had left the list', () => {
    balancer.update([a]);
    balancer.pick();
    balancer.update([b]);
    balancer.update([a, b]);
    expect(strategy.admitted).toEqual(['a', 'b', 'a']);
    expect(loads.of('a').active).toBe(0);
  });

  it('uses the shared load of an instance that left and came back in a list that another balancer got', () => {
    const clock = new ManualClock();
    const shared = new LoadTracker({ clock });
    for (const name of Object.values(LoadBalancingStrategy)) {
      const [busy, idle] = [0, 1].map(() => createLoadBalancer(name, { clock, loads: shared })) as [
        LoadBalancer,
        LoadBalancer,
      ];
      for (const each of [busy, idle]) each.update([a, b]);
      busy.update([b]);
      busy.update([a, b]);
      idle.update([a, b, c]);
      const exclude = new Set(['b', 'c']);
      expect(idle.pick({ exclude })).toMatchObject({ instance: a });
      expect(shared.of('a').active).toBe(1);
      expect(busy.explain?.().instances[0]).toMatchObject({ instanceId: 'a', active: 1 });
      shared.retain([]);
    }
  });

  it('uses the shared load also of an instance that another balancer forgot since its last update', () => {
    const shared = new LoadTracker({ clock: new ManualClock() });
    for (const name of Object.values(LoadBalancingStrategy)) {
      const [still, other] = [0, 1].map(() => createLoadBalancer(name, { loads: shared })) as [
        LoadBalancer,
        LoadBalancer,
      ];
      for (const each of [still, other]) each.update([a, b]);
      other.update([b]);
      other.update([b, c, a]);
      expect(still.pick({ exclude: new Set(['b']) })).toMatchObject({ instance: a });
      expect(['a', 'c'].map((id) => shared.of(id).active)).toEqual([1, 0]);
      shared.retain([]);
    }
  });

  it('updates the strategy once per update, with the same array that choose() gets', () => {
    balancer.update([a, { ...b, status: 'unknown' }, c]);
    pick();
    pick({});
    pick({ tags: [], exclude: new Set(), key: 'x', refusal: () => undefined });
    expect(strategy.updates).toEqual([['a', 'c']]);
    expect(strategy.choices).toHaveLength(3);
    for (const candidates of strategy.choices) expect(candidates).toBe(strategy.usual);
  });

  it('ignores an update with the list that it has', () => {
    const list = [a, b];
    balancer.update(list);
    balancer.update(list);
    expect(strategy.updates).toHaveLength(1);
  });

  it('chooses among fewer instances when the call has criteria', () => {
    balancer.update([a, b, c]);
    expect(pick({ exclude: new Set(['a']) })).toBe('b');
    expect(strategy.choices.map(idsOf)).toEqual([['b', 'c']]);
  });

  it('asks only chosen instances whether they refuse, and all of them after several refusals', () => {
    const many = Array.from({ length: 20 }, (_, index) => fakeInstance({ instanceId: `i${index}` }));
    balancer.update(many);
    const asked: string[] = [];
    const from = (first: number): PickContext => ({
      refusal: ({ instanceId }) => {
        asked.push(instanceId);
        return Number(instanceId.slice(1)) < first ? 'circuit_open' : undefined;
      },
    });
    expect(pick(from(2))).toBe('i2');
    expect(asked.splice(0)).toEqual(['i0', 'i1', 'i2']);
    expect(pick(from(18))).toBe('i18');
    expect(asked.splice(0)).toHaveLength(21);
    expect(pick(from(20))).toBe('none_available');
  });

  it('chooses again among the available instances if the first choice refuses', () => {
    balancer.update([a, b, c]);
    expect(pick({ refusal: refusing('a') })).toBe('b');
    expect(strategy.choices.map(idsOf)).toEqual([
      ['a', 'b', 'c'],
      ['b', 'c'],
    ]);
  });

  it('counts a pick as in flight until it is done, once', () => {
    balancer.update([a]);
    const picks = [balancer.pick(), balancer.pick()];
    expect(loads.of('a').active).toBe(2);
    const [first] = picks;
    if (first?.kind === 'picked') {
      first.done(ANSWERED);
      first.done(ANSWERED);
    }
    expect(loads.of('a').active).toBe(1);
  });

  it('returns picks of one class, without closures', () => {
    balancer.update([a, b]);
    const [one, other] = [balancer.pick(), balancer.pick({ refusal: refusing('a') })];
    expect(Object.getPrototypeOf(one)).toBe(Object.getPrototypeOf(other));
    expect(Object.values(one).filter((value) => typeof value === 'function')).toEqual([]);
    expect(one).toMatchObject({ kind: 'picked', instance: a });
  });

  it('passes on the time given to done()', () => {
    balancer.update([a]);
    for (const [latencyMs, now] of [
      [100, 0],
      [20, loads.decayMs],
    ] as const) {
      const picked = balancer.pick();
      if (picked.kind === 'picked') picked.done({ kind: 'response', status: 200, latencyMs }, now);
    }
    expect(loads.of('a').ewmaMs(loads.decayMs)).toBeCloseTo(100 / Math.E + 20 * (1 - 1 / Math.E), 9);
  });

  it('counts no call if no instance is picked', () => {
    balancer.update([a]);
    expect(pick({ refusal: () => 'circuit_open' })).toBe('none_available');
    expect(loads.of('a').active).toBe(0);
  });

  describe('explain()', () => {
    it('reports for each instance whether it may be picked, or which filter left it out and why', () => {
      const list = [
        a,
        { ...b, tags: ['api'], version: '1.1.0' },
        fakeInstance({ instanceId: 'sick', tags: ['api'], version: '2.0.0', healthStatus: 'unhealthy' }),
        fakeInstance({ instanceId: 'off', tags: ['api'], version: '2.0.0', weight: 0 }),
        fakeInstance({ instanceId: 'open', tags: ['api'], version: '2.0.0' }),
        fakeInstance({ instanceId: 'out', tags: ['api'], version: '2.0.0' }),
        fakeInstance({ instanceId: 'tried', tags: ['api'], version: '2.0.0' }),
        fakeInstance({ instanceId: 'new', tags: ['api'], version: '2.0.0', healthStatus: 'unknown' }),
        fakeInstance({ instanceId: 'far', tags: ['api'], version: '2.0.0', zone: 'y' }),
        fakeInstance({ instanceId: 'good', tags: ['api'], version: '2.0.0', zone: 'x' }),
        { ...c, version: '2.0.0' },
      ];
      balancer.update(list);
      const explained = balancer.explain({
        version: '^2',
        tags: ['api'],
        zone: 'x',
        key: 'k',
        refusal: refusing('open'),
        avoid: new Set(['out']),
        exclude: new Set(['tried']),
      });
      expect(explained).toMatchObject({ strategy: 'first', key: 'k', unavailable: undefined });
      const reasons = explained.instances.map(({ instanceId, stage, reason }) => [instanceId, stage, reason]);
      expect(reasons).toEqual([
        ['a', 'version', 'it has no version'],
        ['b', 'version', '1.1.0 is not in ^2'],
        ['sick', 'status', 'unhealthy'],
        ['off', 'status', 'weight 0'],
        ['open', 'refusal', 'circuit_open'],
        ['out', 'avoid', 'an outlier'],
        ['tried', 'exclude', 'was tried'],
        ['new', 'unchecked', 'not checked yet, and others are healthy'],
        ['far', 'zone', 'zone x can take all calls'],
        ['good', undefined, undefined],
        ['c', 'tags', 'without api'],
      ]);
      expect(explained.instances.filter(({ taken }) => taken).map(({ instanceId }) => instanceId)).toEqual(['good']);
    });

    it('reports why no instance can be picked, with load and weight', () => {
      balancer.update([a, b]);
      const picked = balancer.pick();
      if (picked.kind === 'picked') picked.done(ANSWERED);
      balancer.pick();
      const explained = balancer.explain({ refusal: () => 'circuit_open' });
      expect(explained.unavailable).toBe('none_available');
      expect(explained.instances[0]).toMatchObject({ taken: false, weight: 100, active: 1, latencyMs: 10 });
      expect(balancer.explain({ tags: ['none'] }).unavailable).toBe('no_match');
    });

    it('reports what every strategy chooses by', () => {
      for (const name of Object.values(LoadBalancingStrategy)) {
        expect(createLoadBalancer(name).explain?.().goesBy).toEqual(expect.any(String));
      }
      expect(createLoadBalancer(() => strategy).explain?.().goesBy).toBeUndefined();
    });

    it.each(['consistent_hash', 'maglev'] as const)('names the owner of a key with %s as a pick finds it', (name) => {
      const versionWeights = { '1.x': 60, '2.x': 40 };
      const made = createLoadBalancer({ strategy: name, versionWeights }, { random: seededRandom(1) });
      made.update(
        Array.from({ length: 8 }, (_, index) =>
          fakeInstance({ instanceId: `i${index}`, version: index < 6 ? '1.0.0' : '2.0.0' }),
        ),
      );
      for (const context of [
        {},
        { exclude: new Set(['i1', 'i6', 'i7']) },
        { avoid: new Set(['i0', 'i6']), refusal: refusing('i7') },
        { exclude: new Set(['i0', 'i1', 'i2', 'i3', 'i4', 'i5', 'i6']) },
      ]) {
        for (let index = 0; index < 40; index++) {
          const call = { ...context, key: `key-${index}` };
          const { owner, key } = made.explain!(call);
          expect(key).toBe(call.key);
          expect(made.pick(call)).toMatchObject({ instance: { instanceId: owner } });
        }
      }
      expect(made.explain?.({ key: 'k', tags: ['none'] }).owner).toBeUndefined();
      expect(made.explain?.().owner).toBeUndefined();
    });

    it('has no side effects', () => {
      balancer.update([a, b]);
      balancer.explain();
      balancer.explain({ zone: 'z' });
      expect([strategy.choices, strategy.updates]).toEqual([[], [['a', 'b']]]);
    });
  });

  it('a retry does not land on the failed instance, whatever the strategy', () => {
    for (const name of Object.values(LoadBalancingStrategy)) {
      for (const count of [2, 3, 10]) {
        const retrying = createLoadBalancer(name, { random: seededRandom(count) });
        retrying.update(Array.from({ length: count }, (_, index) => fakeInstance({ instanceId: `i${index}` })));
        for (let call = 0; call < 100; call++) {
          const tried = new Set<string>();
          while (tried.size < count) {
            const picked = retrying.pick({ exclude: tried, key: `key-${call}`, clientIp: '10.0.0.1' });
            if (picked.kind !== 'picked') throw new Error(picked.reason);
            expect(tried.has(picked.instance.instanceId)).toBe(false);
            tried.add(picked.instance.instanceId);
            picked.done({ kind: 'response', status: 503, latencyMs: 1 });
          }
        }
      }
    }
  });

  describe('with outliers', () => {
    it('makes a plan once while the outliers are the same', () => {
      balancer.update([a, b, c]);
      for (let time = 0; time < 3; time++) expect(pick({ avoid: new Set(['a']) })).toBe('b');
      expect(pick({ avoid: new Set(['b']) })).toBe('a');
      expect(pick({ avoid: new Set(['b', 'a']) })).toBe('c');
      expect(pick()).toBe('a');
      expect(strategy.choices[1]).toBe(strategy.choices[0]);
      expect(strategy.choices[2]).toBe(strategy.choices[0]);
      expect(strategy.choices.map(idsOf).slice(2)).toEqual([['b', 'c'], ['a', 'c'], ['c'], ['a', 'b', 'c']]);
    });

    it('updates the strategy when outliers are ejected and when they are back', () => {
      balancer.update([a, b, c]);
      const avoid = new Set(['a']);
      pick({ avoid });
      pick({ avoid });
      pick();
      pick();
      expect(strategy.updates).toEqual([
        ['a', 'b', 'c'],
        ['b', 'c'],
        ['a', 'b', 'c'],
      ]);
    });

    it('notices changes within the same set of outliers', () => {
      balancer.update([a, b, c]);
      const avoid = new Set(['a']);
      expect(pick({ avoid })).toBe('b');
      avoid.delete('a');
      avoid.add('b');
      expect(pick({ avoid })).toBe('a');
    });
  });

  describe('the arrays that strategies cache by', () => {
    it('stay the same while members and weights are the same', () => {
      balancer.update([a, b]);
      pick();
      balancer.update([{ ...a, metadata: { changed: true } }, b]);
      pick();
      balancer.update([a, b, { ...c, status: 'unhealthy' }]);
      pick();
      expect(strategy.choices.every((list) => list === strategy.choices[0])).toBe(true);
      expect(strategy.updates).toHaveLength(1);
      balancer.update([a, { ...b, weight: 50 }]);
      pick();
      balancer.update([{ ...b, weight: 50 }, a]);
      pick();
      expect(strategy.choices.map((list) => strategy.choices.indexOf(list))).toEqual([0, 0, 0, 3, 4]);
    });

    it('are not rebuilt by an update that changes nothing for picks', () => {
      let looks = 0;
      const list = Array.from(
        { length: 100 },
        (_, index) =>
          new Proxy(fakeInstance({ instanceId: `i${index}` }), {
            get: (instance, name) => (looks++, Reflect.get(instance, name) as unknown),
          }),
      );
      const renewed = fakeInstance({ instanceId: 'i50', lastHeartbeat: 1 });
      balancer.update(list);
      balancer.update([...list]);
      const { updates } = strategy;
      looks = 0;
      balancer.update(list.with(50, renewed));
      expect(looks).toBeLessThan(20);
      expect(updates).toHaveLength(1);
      expect(strategy.usual[50]?.instance).toBe(renewed);
    });

    it('include the list before instances that cannot take the call were removed', () => {
      balancer.update([a, b, c]);
      const usual = strategy.usual;
      pick({ exclude: new Set(['a']) });
      pick({ refusal: refusing('a') });
      expect(strategy.picks.map(({ base }) => base)).toEqual([usual, usual, usual]);
      expect(strategy.picks.every(({ base }) => base === usual)).toBe(true);
    });

    it('include all registered instances, the same array until one joins, leaves or changes its weight', () => {
      const states: ServiceInstance[][] = [
        [a, b, c],
        [a, { ...b, status: 'unhealthy' }, { ...c, status: 'draining' }],
        [{ ...a, status: 'unknown' }, { ...b, status: 'maintenance' }, c],
        [a, { ...b, weight: 0 }, c],
        [a, { ...b, weight: 50 }, c],
        [a, { ...b, weight: 50, status: 'unhealthy' }, c],
        [a, b, c],
        [a, b],
      ];
      const lists: (readonly Candidate[])[] = [];
      for (const state of states) {
        balancer.update(state);
        for (const context of [{}, { exclude: new Set(['a']) }]) {
          pick(context);
          lists.push(strategy.picks.at(-1)!.registered());
        }
      }
      expect(lists.map((list) => lists.indexOf(list))).toEqual([0, 0, 0, 0, 0, 0, 6, 6, 8, 8, 8, 8, 12, 12, 14, 14]);
      expect([0, 6, 8, 12, 14].map((at) => idsOf(lists[at]!).join(''))).toEqual(['abc', 'ac', 'abc', 'abc', 'ab']);
    });
  });

  describe('with version weights', () => {
    const versions = (more: Partial<ServiceInstance> = {}): ServiceInstance[] => [
      { ...a, version: '1.0.0' },
      { ...b, version: '1.1.0' },
      { ...c, version: '2.0.0', ...more },
    ];
    const versionWeights = { '1.x': 95, '2.x': 5 };
    const shareOf = (made: LoadBalancer, id: string, calls: number, context: (call: number) => PickContext): number => {
      let found = 0;
      for (let call = 0; call < calls; call++) {
        const result = made.pick(context(call));
        if (result.kind === 'picked' && result.instance.instanceId === id) found++;
      }
      return found;
    };

    it('gives each version its share, among few calls as among many, and while the list keeps changing', () => {
      const canary = createLoadBalancer({ versionWeights }, { random: seededRandom(1) });
      canary.update(versions());
      expect(Math.abs(shareOf(canary, 'c', 100, () => ({})) - 5)).toBeLessThanOrEqual(1);
      let found = 0;
      for (let call = 0; call < 1_000; call++) {
        canary.update(versions({ lastHeartbeat: call }));
        found += shareOf(canary, 'c', 1, () => ({}));
      }
      expect(found).toBeGreaterThanOrEqual(48);
      expect(found).toBeLessThanOrEqual(52);
    });

    it('keeps calls with one key at one version', () => {
      const canary = createLoadBalancer({ versionWeights }, { random: seededRandom(1) });
      canary.update(versions());
      const canaries = Array.from({ length: 1_000 }, (_, key) =>
        shareOf(canary, 'c', 5, () => ({ key: `user-${key}` })),
      );
      expect(new Set(canaries)).toEqual(new Set([0, 5]));
      const users = canaries.filter((calls) => calls === 5).length;
      expect(Math.abs(users - 50)).toBeLessThan(20);
    });

    it('sends each request to the version of its route', () => {
      const routed = createLoadBalancer({
        routes: [
          { header: 'x-to', value: '1', version: '1.0.0' },
          { header: 'x-to', value: '2', version: '2.x' },
        ],
        versionWeights: { '1.1.x': 1, '*': 0 },
      });
      routed.update(versions());
      const to = (text?: string): PickContext => ({ headers: { 'x-to': text } });
      for (let time = 0; time < 2; time++) {
        expect([to('1'), to('2'), to()].map((context) => shareOf(routed, 'a', 4, () => context))).toEqual([4, 0, 0]);
        expect([to('1'), to('2'), to()].map((context) => shareOf(routed, 'c', 4, () => context))).toEqual([0, 4, 0]);
      }
    });

    it('retries at the other version if a version has no other instance', () => {
      const canary = createLoadBalancer({ versionWeights });
      canary.update(versions().slice(1));
      const result = canary.pick({ exclude: new Set(['b']) });
      expect(result).toMatchObject({ kind: 'picked', instance: { instanceId: 'c' } });
    });

    it('explains the share of calls of each instance', () => {
      const canary = createLoadBalancer({ versionWeights: { '1.x': 95, '2.x': 5, '3.x': 0 } });
      canary.update([
        ...versions(),
        fakeInstance({ instanceId: 'd', version: '3.0.0' }),
        fakeInstance({ instanceId: 'e' }),
      ]);
      expect(canary.explain?.().instances).toMatchObject([
        { instanceId: 'a', taken: true, poolShare: 0.95 },
        { instanceId: 'b', taken: true, poolShare: 0.95 },
        { instanceId: 'c', taken: true, poolShare: 0.05 },
        { instanceId: 'd', taken: false, stage: 'version_weights', reason: '3.x has weight 0' },
        { instanceId: 'e', taken: false, stage: 'version_weights', reason: 'of a version that is not listed' },
      ]);
    });
  });

  describe('failing open', () => {
    const sick = { status: 'unhealthy' } as const;
    const open = (options: Partial<LoadBalancingOptions> = {}): [LoadBalancer, unknown[]] => {
      const events: unknown[] = [];
      const made = createLoadBalancer(options, {
        events: { emit: (type, payload) => void events.push({ type, ...payload }) },
      });
      return [made, events];
    };

    it('picks unhealthy instances, and reports it in each pick and in the explanation', () => {
      const [made] = open();
      made.update([a, { ...b, ...sick }]);
      expect(made.pick()).toMatchObject({ failOpen: false, instance: { instanceId: 'a' } });
      expect(made.explain?.()).toMatchObject({ failOpen: false });
      made.update([
        { ...a, status: 'draining' },
        { ...b, ...sick },
      ]);
      expect(made.pick()).toMatchObject({ failOpen: true, instance: { instanceId: 'b' } });
      expect(made.explain?.()).toMatchObject({
        failOpen: true,
        panic: false,
        unavailable: undefined,
        instances: [
          { instanceId: 'a', taken: false, stage: 'status', reason: 'draining' },
          { instanceId: 'b', taken: true },
        ],
      });
    });

    it('reports it for a single pick that no healthy instance accepts', () => {
      const [made, events] = open();
      made.update([a, { ...b, ...sick }]);
      const refusal: PickContext['refusal'] = ({ instanceId }) => (instanceId === 'a' ? 'circuit_open' : undefined);
      expect(made.pick({ refusal })).toMatchObject({ failOpen: true, instance: { instanceId: 'b' } });
      expect(made.pick()).toMatchObject({ failOpen: false, instance: { instanceId: 'a' } });
      expect(events).toEqual([]);
    });

    it('emits one event when it begins and one when it ends', () => {
      const [made, events] = open();
      made.update([a, b]);
      for (let update = 0; update < 3; update++) {
        made.update([
          { ...a, ...sick },
          { ...b, ...sick },
        ]);
        made.pick();
      }
      made.update([a, { ...b, ...sick }]);
      made.update([a, b]);
      expect(events).toEqual([
        { type: 'balancing.fail_open', service: 'user-service', unhealthy: 2 },
        { type: 'balancing.fail_open_ended', service: 'user-service' },
      ]);
    });

    it('emits an event when every healthy instance is unreachable', () => {
      const [made, events] = open();
      made.update([a, { ...b, ...sick }]);
      made.pick({ unreachable: new Set(['a']) });
      made.pick({ unreachable: new Set(['a']) });
      made.pick();
      expect(events).toMatchObject([
        { type: 'balancing.fail_open', unhealthy: 1 },
        { type: 'balancing.fail_open_ended' },
      ]);
    });

    it('is off with failOpen: false and has no effect in a panic', () => {
      const [strict, events] = open({ failOpen: false });
      strict.update([{ ...a, ...sick }]);
      expect(strict.pick()).toEqual({ kind: 'unavailable', reason: 'none_healthy' });
      expect(events).toEqual([]);
      const [panicking, told] = open({ panicThreshold: 0.5 });
      panicking.update([{ ...a, ...sick }]);
      expect(panicking.pick()).toMatchObject({ failOpen: false, instance: { instanceId: 'a' } });
      expect(told).toMatchObject([{ type: 'balancing.panic' }]);
    });

    it('does not start slow start for instances that stood in', () => {
      const [made] = open({ slowStart: {} });
      made.update([a, b]);
      made.update([
        { ...a, ...sick },
        { ...b, ...sick },
      ]);
      expect(made.explain?.().instances.map(({ slowStart }) => slowStart)).toEqual([1, 1]);
    });
  });

  describe('in a panic', () => {
    const events: unknown[] = [];
    const sick = { status: 'unhealthy' } as const;
    const create = (): LoadBalancer =>
      createLoadBalancer(
        { panicThreshold: 0.5 },
        { events: { emit: (type, payload) => void events.push({ type, ...payload }) } },
      );
    beforeEach(() => void events.splice(0));

    it('emits one event when it begins and one when it ends', () => {
      const made = create();
      made.update([a, b, c]);
      made.update([a, { ...b, ...sick }, { ...c, ...sick }]);
      made.update([
        { ...a, ...sick },
        { ...b, ...sick },
        { ...c, ...sick },
      ]);
      expect(made.explain?.()).toMatchObject({ panic: true, healthyShare: 0, unavailable: undefined });
      made.update([a, b, { ...c, ...sick }]);
      made.update([a, b, c]);
      expect(events).toEqual([
        { type: 'balancing.panic', service: 'user-service', healthyShare: 1 / 3 },
        { type: 'balancing.panic_ended', service: 'user-service', healthyShare: 2 / 3 },
      ]);
    });

    it('counts outliers, and ends when they are back', () => {
      const made = create();
      made.update([a, b, c]);
      made.pick({ avoid: new Set(['a', 'b']) });
      made.pick({ avoid: new Set(['a', 'b']) });
      made.pick();
      expect(events).toMatchObject([{ type: 'balancing.panic' }, { type: 'balancing.panic_ended' }]);
    });

    it('lasts through changes of the list while there are outliers', () => {
      const made = create();
      const avoid = new Set(['a', 'b']);
      made.update([a, b, c]);
      made.pick({ avoid });
      for (let change = 0; change < 3; change++) {
        made.update([a, b, { ...c }]);
        made.pick({ avoid });
      }
      expect(events).toMatchObject([{ type: 'balancing.panic' }]);
      made.update([a, b, c, { ...c, instanceId: 'd' }]);
      expect(events).toMatchObject([{ type: 'balancing.panic' }, { type: 'balancing.panic_ended', healthyShare: 0.5 }]);
    });

    it('ends when the service is gone', () => {
      const made = create();
      made.update([{ ...a, ...sick }]);
      made.update([]);
      expect(events).toMatchObject([
        { type: 'balancing.panic' },
        { type: 'balancing.panic_ended', service: 'user-service' },
      ]);
    });

    it('emits events for the service as a whole, not for single calls with criteria', () => {
      const made = create();
      made.update([a, b, { ...c, ...sick, tags: ['x'] }]);
      expect(made.pick({ tags: ['x'] })).toMatchObject({ kind: 'picked', instance: { instanceId: 'c' } });
      expect(events).toEqual([]);
    });
  });
});
