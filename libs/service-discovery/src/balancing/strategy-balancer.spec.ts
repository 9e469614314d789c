import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Outcome } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { ManualClock } from '../testing/manual-clock.js';
import { LoadTracker } from './load-tracker.js';
import { type PickContext } from './load-balancer.js';
import { resolveLoadBalancingOptions } from './resolve-load-balancing-options.js';
import { StrategyBalancer } from './strategy-balancer.js';
import { type Candidate, type Strategy } from './strategy.js';

const ANSWERED: Outcome = { kind: 'response', status: 200, latencyMs: 10 };

/** Takes the first candidate, and remembers what it was asked. */
class First implements Strategy {
  readonly admitted: string[] = [];
  readonly updates: string[][] = [];
  readonly choices: (readonly Candidate[])[] = [];
  usual: readonly Candidate[] = [];

  admit(known: Candidate): Candidate {
    this.admitted.push(known.instance.instanceId);
    return known;
  }

  update(usual: readonly Candidate[]): void {
    this.usual = usual;
    this.updates.push(idsOf(usual));
  }

  choose(candidates: readonly Candidate[]): Candidate {
    this.choices.push(candidates);
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
    balancer = new StrategyBalancer('first', strategy, { loads, clock, options: resolveLoadBalancingOptions() });
  });

  it('works out once for each criteria what there is to choose from, and anew after a change', () => {
    balancer.update([a, { ...b, zone: 'z' }, { ...c, zone: 'z' }]);
    for (let time = 0; time < 2; time++) expect(pick({ zone: 'z' })).toBe('b');
    expect(strategy.choices[1]).toBe(strategy.choices[0]);
    expect(pick({ zone: 'z', tags: ['none'] })).toBe('no_match');
    expect(pick({ zone: 'z', refusal: refusing('b') })).toBe('c');
    expect(pick({ zone: 'z', exclude: new Set(['b']) })).toBe('c');
    balancer.update([a, { ...c, zone: 'z' }]);
    expect(pick({ zone: 'z' })).toBe('c');
  });

  it('keeps a bounded number of criteria, however many there are', () => {
    balancer.update([a]);
    for (let index = 0; index < 1_000; index++) pick({ zone: `zone-${index}` });
    const before = strategy.choices.length;
    pick({ zone: 'zone-0' });
    pick({ zone: 'zone-999' });
    expect(strategy.choices[before]).not.toBe(strategy.choices[0]);
    expect(strategy.choices[before + 1]).toBe(strategy.choices[999]);
  });

  it('keeps the load history of an instance through changes that do not concern it', () => {
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

  it('admits an instance anew that had left the list', () => {
    balancer.update([a]);
    balancer.pick();
    balancer.update([b]);
    balancer.update([a, b]);
    expect(strategy.admitted).toEqual(['a', 'b', 'a']);
    expect(loads.of('a').active).toBe(0);
  });

  it('tells the strategy once an update whom usual calls go to, and hands it that very list', () => {
    balancer.update([a, { ...b, status: 'unknown' }, c]);
    pick();
    pick({});
    pick({ tags: [], exclude: new Set(), key: 'x', refusal: () => undefined });
    expect(strategy.updates).toEqual([['a', 'c']]);
    expect(strategy.choices).toHaveLength(3);
    for (const candidates of strategy.choices) expect(candidates).toBe(strategy.usual);
  });

  it('does nothing at an update with the list that it has', () => {
    const list = [a, b];
    balancer.update(list);
    balancer.update(list);
    expect(strategy.updates).toHaveLength(1);
  });

  it('chooses among fewer where the caller has wishes', () => {
    balancer.update([a, b, c]);
    expect(pick({ exclude: new Set(['a']) })).toBe('b');
    expect(strategy.choices.map(idsOf)).toEqual([['b', 'c']]);
  });

  it('chooses again among the available ones where its first choice is not', () => {
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

  it('counts nothing where nobody is picked', () => {
    balancer.update([a]);
    expect(pick({ refusal: () => 'circuit_open' })).toBe('none_available');
    expect(loads.of('a').active).toBe(0);
  });

  describe('explaining a choice', () => {
    it('says of each instance whether it can be taken, or what leaves it out and why', () => {
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
        ['a', 'version', 'no version is not in ^2'],
        ['b', 'version', '1.1.0 is not in ^2'],
        ['sick', 'status', 'unhealthy'],
        ['off', 'status', 'weight 0'],
        ['open', 'refusal', 'circuit_open'],
        ['out', 'avoid', 'does badly'],
        ['tried', 'exclude', 'was tried'],
        ['new', 'unchecked', 'not checked yet, and others are healthy'],
        ['far', 'zone', 'not in zone x'],
        ['good', undefined, undefined],
        ['c', 'tags', 'without api'],
      ]);
      expect(explained.instances.filter(({ taken }) => taken).map(({ instanceId }) => instanceId)).toEqual(['good']);
    });

    it('says why nobody can be taken, and tells of load and weight', () => {
      balancer.update([a, b]);
      const picked = balancer.pick();
      if (picked.kind === 'picked') picked.done(ANSWERED);
      balancer.pick();
      const explained = balancer.explain({ refusal: () => 'circuit_open' });
      expect(explained.unavailable).toBe('none_available');
      expect(explained.instances[0]).toMatchObject({ taken: false, weight: 100, active: 1, latencyMs: 10 });
      expect(balancer.explain({ tags: ['none'] }).unavailable).toBe('no_match');
    });

    it('changes nothing by it', () => {
      balancer.update([a, b]);
      balancer.explain();
      balancer.explain({ zone: 'z' });
      expect([strategy.choices, strategy.updates]).toEqual([[], [['a', 'b']]]);
    });
  });
});
