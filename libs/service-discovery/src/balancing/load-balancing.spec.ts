import { describe, expect, it } from '@jest/globals';
import { type InvalidConfigurationError, seededRandom } from '../common/index.js';
import { SILENT } from '../model/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { ManualClock } from '../testing/manual-clock.js';
import { type LoadBalancer, type LoadBalancerDeps, type PickResult } from './load-balancer.js';
import { LOAD_BALANCING_OPTIONS } from './load-balancing-options.js';
import {
  createLoadBalancer,
  isStrategyName,
  type LoadBalancing,
  mergeLoadBalancing,
  resolveLoadBalancing,
  strategyName,
} from './load-balancing.js';
import { LoadTracker } from './load/load-tracker.js';
import { type Candidate, type Strategy } from './strategies/strategy.js';
import { LoadBalancingStrategy } from './strategies/strategy-names.js';

describe('resolveLoadBalancing', () => {
  it('resolves a name, a factory, a class and options to a name, a maker and options', () => {
    const make: LoadBalancing = () => ({ choose: (candidates) => candidates[0]! });
    expect(resolveLoadBalancing('random')).toMatchObject({ name: 'random', options: { slowStart: false } });
    expect(resolveLoadBalancing(make)).toMatchObject({ name: 'make', make });
    expect(resolveLoadBalancing({ strategy: make, uncheckedThreshold: 0 })).toMatchObject({
      name: 'make',
      make,
      options: { uncheckedThreshold: 0 },
    });
  });
});

describe('mergeLoadBalancing', () => {
  it.each<[string, LoadBalancing | undefined, LoadBalancing | undefined, LoadBalancing | undefined]>([
    ['nothing over nothing', undefined, undefined, undefined],
    ['nothing over a name', 'random', undefined, 'random'],
    ['a name over a name', 'random', 'p2c_ewma', 'p2c_ewma'],
    ['a name over options', { slowStart: {} }, 'random', { slowStart: {}, strategy: 'random' }],
    ['options over a name', 'random', { slowStart: {} }, { strategy: 'random', slowStart: {} }],
    [
      'options over options',
      { strategy: 'random', panicThreshold: 0.5, uncheckedThreshold: 0 },
      { strategy: undefined, panicThreshold: 0 },
      { strategy: 'random', panicThreshold: 0, uncheckedThreshold: 0 },
    ],
  ])('merges %s', (_what, base, over, merged) => {
    expect(mergeLoadBalancing(base, over)).toEqual(merged);
  });
});

const NAMES = Object.values(LoadBalancingStrategy);

class CustomBalancer implements LoadBalancer {
  constructor(readonly deps: LoadBalancerDeps) {}
  update(): void {}
  pick(): PickResult {
    return { kind: 'unavailable', reason: 'no_instances' };
  }
}

describe('createLoadBalancer', () => {
  it.each(NAMES)('creates a balancer with the strategy %s and no dependencies', (name) => {
    const balancer = createLoadBalancer(name);
    balancer.update([fakeInstance({ instanceId: 'a' })]);
    expect(balancer.pick()).toMatchObject({ kind: 'picked', instance: { instanceId: 'a' } });
  });

  it('passes clock, random and loads to a class or a factory, with defaults for missing ones', () => {
    const clock = new ManualClock();
    const deps = { clock, random: seededRandom(1), loads: new LoadTracker({ clock }), events: SILENT };
    const options = LOAD_BALANCING_OPTIONS.resolve();
    expect((createLoadBalancer(CustomBalancer, deps) as CustomBalancer).deps).toEqual({ ...deps, options });
    const made = createLoadBalancer((given) => new CustomBalancer(given)) as CustomBalancer;
    expect(made.deps.random()).toBeLessThan(1);
    expect(made.deps.clock.now()).toBeGreaterThan(0);
    expect(made.deps.loads).toBeInstanceOf(LoadTracker);
  });

  it('tells a class from a factory however they are written', () => {
    const factories: LoadBalancing[] = [
      (deps) => new CustomBalancer(deps),
      function factory(deps: LoadBalancerDeps) {
        return new CustomBalancer(deps);
      },
    ];
    const classes: LoadBalancing[] = [CustomBalancer, class extends CustomBalancer {}];
    for (const given of [...factories, ...classes]) expect(createLoadBalancer(given)).toBeInstanceOf(CustomBalancer);
  });

  it('creates balancers without shared counters: the turns of one service do not affect another', () => {
    const [users, orders] = ['users', 'orders'].map((serviceName) => {
      const balancer = createLoadBalancer('round_robin', { random: () => 0 });
      balancer.update(['a', 'b'].map((instanceId) => fakeInstance({ serviceName, instanceId })));
      return balancer;
    });
    const picks: string[] = [];
    for (let round = 0; round < 4; round++) {
      for (const balancer of [users, orders]) {
        const result = balancer?.pick();
        if (result?.kind === 'picked') picks.push(`${result.instance.serviceName}/${result.instance.instanceId}`);
      }
    }
    expect(picks).toEqual(['a', 'b', 'a', 'b'].flatMap((id) => [`users/${id}`, `orders/${id}`]));
  });

  it('lets the balancers of one service share its loads', () => {
    const loads = new LoadTracker();
    const [one, other] = [
      createLoadBalancer('round_robin', { loads }),
      createLoadBalancer('least_connections', { loads }),
    ];
    const instances = ['a', 'b'].map((instanceId) => fakeInstance({ instanceId }));
    for (const balancer of [one, other]) balancer.update(instances);
    const busy = one.pick();
    const free = other.pick();
    expect([busy.kind, free.kind]).toEqual(['picked', 'picked']);
    if (busy.kind !== 'picked' || free.kind !== 'picked') return;
    expect(free.instance.instanceId).not.toBe(busy.instance.instanceId);
  });

  const problemOf = (strategy: unknown): unknown => {
    try {
      createLoadBalancer(strategy as LoadBalancing);
    } catch (error) {
      return (error as InvalidConfigurationError).problems;
    }
    return undefined;
  };

  describe('with a custom strategy', () => {
    class Last implements Strategy {
      constructor(readonly deps: LoadBalancerDeps) {}
      choose(candidates: readonly Candidate[]): Candidate {
        return candidates.at(-1)!;
      }
    }
    const picked = (balancer: LoadBalancer): string => {
      balancer.update([...['a', 'b'].map((id) => fakeInstance({ instanceId: id })), sick]);
      const result = balancer.pick();
      return result.kind === 'picked' ? result.instance.instanceId : result.reason;
    };
    const sick = fakeInstance({ instanceId: 'c', healthStatus: 'unhealthy' });

    it('applies the filters before a class or a factory', () => {
      expect(picked(createLoadBalancer(Last))).toBe('b');
      expect(picked(createLoadBalancer((deps) => new Last(deps)))).toBe('b');
      expect(picked(createLoadBalancer({ strategy: Last }))).toBe('b');
    });

    it('finds it by name, also in place of a built-in one', () => {
      const strategies = { last: Last, random: (deps: LoadBalancerDeps) => new Last(deps) };
      expect(picked(createLoadBalancer('last' as never, { strategies }))).toBe('b');
      expect(picked(createLoadBalancer({ strategy: 'random' }, { strategies }))).toBe('b');
      expect(isStrategyName('last', strategies)).toBe(true);
      expect(isStrategyName('last')).toBe(false);
    });

    it('passes it the options given beside it', () => {
      let made: Last | undefined;
      createLoadBalancer({ strategy: (deps) => (made = new Last(deps)), uncheckedThreshold: 0.25 });
      expect(made?.deps.options.uncheckedThreshold).toBe(0.25);
    });
  });

  it.each<[string, unknown, unknown]>([
    ['a number', () => 0, 0],
    ['nothing', () => undefined, undefined],
    ['null', () => null, null],
    ['instances of an empty class', class {}, {}],
    ['half a balancer', () => ({ pick: () => undefined }), { pick: expect.any(Function) }],
  ])('rejects a factory that creates %s, and names what it has to create', (_what, make, value) => {
    const expected = expect.stringContaining('a Strategy, with choose(), or a LoadBalancer, with update() and pick()');
    expect(problemOf(make)).toEqual([{ path: 'loadBalancing', value, expected }]);
    expect(problemOf({ strategy: make })).toEqual([{ path: 'loadBalancing.strategy', value, expected }]);
  });

  it('uses the default strategy for options without one', () => {
    expect(createLoadBalancer({}).explain?.().strategy).toBe('round_robin');
    expect(createLoadBalancer({ strategy: 'random' }).explain?.().strategy).toBe('random');
  });

  it('reports a wrong strategy in options by its path, together with wrong options', () => {
    expect(problemOf({ strategy: 'fastest', uncheckedThreshold: 2 })).toMatchObject([
      { path: 'loadBalancing.strategy', value: 'fastest' },
      { path: 'loadBalancing.uncheckedThreshold', value: 2, expected: 'a number from 0 to 1' },
    ]);
  });

  it.each(['fastest', '', 'toString', '__proto__', 5, null, undefined])(
    'rejects %p and lists the strategies',
    (strategy) => {
      const expected = `one of ${NAMES.join(', ')}, or a Strategy or LoadBalancer class or factory, or options`;
      expect(problemOf(strategy)).toEqual([{ path: 'loadBalancing', value: strategy, expected }]);
      expect(isStrategyName(strategy)).toBe(false);
    },
  );
});

describe('a misspelled strategy', () => {
  it.each([
    ['round-robin', 'round_robin'],
    ['roundrobin', 'round_robin'],
    ['ROUND_ROBIN', 'round_robin'],
    ['consistent-hash', 'consistent_hash'],
    ['maglevv', 'maglev'],
    ['frist', 'first'],
  ])('%s is rejected with a suggestion', (given, meant) => {
    const strategies = { first: (deps: LoadBalancerDeps) => new CustomBalancer(deps) };
    const refused = expect.objectContaining({ message: expect.stringContaining(`(did you mean "${meant}"?)`) });
    expect(() => createLoadBalancer(given as never, { strategies })).toThrow(refused);
  });
});

describe('strategyName', () => {
  it('returns the name of the strategy, the class or the function', () => {
    const anonymous = [() => new CustomBalancer({} as LoadBalancerDeps)][0] as LoadBalancing;
    const given: LoadBalancing[] = ['p2c_ewma', CustomBalancer, anonymous];
    expect(given.map(strategyName)).toEqual(['p2c_ewma', 'CustomBalancer', 'custom']);
    const settings: LoadBalancing[] = [{ strategy: CustomBalancer }, { strategy: 'random' }, {}];
    expect(settings.map(strategyName)).toEqual(['CustomBalancer', 'random', 'round_robin']);
  });
});
