import { beforeEach, describe, expect, it } from '@jest/globals';
import { type Outcome } from '../common/index.js';
import { type ServiceInstance } from '../model/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { ManualClock } from '../testing/manual-clock.js';
import { LoadTracker } from './load-tracker.js';
import { type PickContext } from './load-balancer.js';
import { StrategyBalancer } from './strategy-balancer.js';
import { type Candidate, type Strategy } from './strategy.js';

const ANSWERED: Outcome = { kind: 'response', status: 200, latencyMs: 10 };

/** Takes the first candidate, and remembers what it was asked. */
class First implements Strategy {
  readonly admitted: string[] = [];
  readonly updates: string[][] = [];
  readonly choices: (readonly Candidate[])[] = [];
  usual: readonly Candidate[] = [];

  admit(instance: ServiceInstance, load: Candidate['load']): Candidate {
    this.admitted.push(instance.instanceId);
    return { instance, load };
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

describe('StrategyBalancer', () => {
  let strategy: First;
  let loads: LoadTracker;
  let balancer: StrategyBalancer<Candidate>;
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
    loads = new LoadTracker({ clock: new ManualClock() });
    balancer = new StrategyBalancer(strategy, loads);
  });

  it('works out once for each criteria what there is to choose from, and anew after a change', () => {
    balancer.update([a, { ...b, zone: 'z' }, { ...c, zone: 'z' }]);
    for (let time = 0; time < 2; time++) expect(pick({ zone: 'z' })).toBe('b');
    expect(strategy.choices[1]).toBe(strategy.choices[0]);
    expect(pick({ zone: 'z', tags: ['none'] })).toBe('no_match');
    expect(pick({ zone: 'z', isAvailable: ({ instanceId }) => instanceId !== 'b' })).toBe('c');
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
    pick({ tags: [], exclude: new Set(), key: 'x', isAvailable: () => true });
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
    expect(pick({ isAvailable: ({ instanceId }) => instanceId !== 'a' })).toBe('b');
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
    expect(pick({ isAvailable: () => false })).toBe('none_available');
    expect(loads.of('a').active).toBe(0);
  });
});
