import { beforeEach, describe, expect, it } from '@jest/globals';
import { seededRandom } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { ManualClock } from '../../testing/manual-clock.js';
import { type LoadBalancer, type PickContext } from '../load-balancer.js';
import { type SlowStartOptions } from '../load-balancing-options.js';
import { createLoadBalancer, type LoadBalancing } from '../load-balancing.js';
import { SlowStart } from './slow-start.js';
import { type Candidate, type Strategy } from '../strategies/strategy.js';
import { LoadBalancingStrategy } from '../strategies/strategy-names.js';

describe('slow start', () => {
  let clock: ManualClock;
  const [a, b, c] = ['a', 'b', 'c'].map((instanceId) => fakeInstance({ instanceId })) as [
    ServiceInstance,
    ServiceInstance,
    ServiceInstance,
  ];

  beforeEach(() => {
    clock = new ManualClock();
  });

  const create = (
    strategy: LoadBalancing = 'weighted_round_robin',
    slowStart: Partial<SlowStartOptions> | false = { window: '10s' },
  ): LoadBalancer =>
    createLoadBalancer({ strategy: strategy as 'random', slowStart }, { clock, random: seededRandom(1) });

  const factorOf = (balancer: LoadBalancer, id: string): number | undefined => {
    const factor = balancer.explain?.().instances.find(({ instanceId }) => instanceId === id)?.slowStart;
    return factor === undefined ? undefined : Math.round(factor * 1_000) / 1_000;
  };

  const counts = (balancer: LoadBalancer, calls: number, context?: PickContext): Record<string, number> => {
    const found: Record<string, number> = {};
    for (let call = 0; call < calls; call++) {
      const picked = balancer.pick(context);
      if (picked.kind !== 'picked') throw new Error(picked.reason);
      picked.done({ kind: 'response', status: 200, latencyMs: 5 });
      const { instanceId } = picked.instance;
      found[instanceId] = (found[instanceId] ?? 0) + 1;
    }
    return found;
  };

  it('grows from the minimum weight to the full one over the window', () => {
    const balancer = create();
    balancer.update([a]);
    balancer.update([a, b]);
    const factors = [0, 500, 1_500, 3_500, 4_499, 1].map((ms) => {
      clock.advance(ms);
      return factorOf(balancer, 'b');
    });
    expect(factors).toEqual([0.1, 0.1, 0.2, 0.55, 1, 1]);
    expect(factorOf(balancer, 'a')).toBe(1);
  });

  it('grows faster at first with more aggression, and slower with less', () => {
    const [eager, reluctant] = [2, 0.5].map((aggression) => create('random', { window: '10s', aggression }));
    for (const balancer of [eager, reluctant]) {
      balancer?.update([a]);
      balancer?.update([a, b]);
    }
    clock.advance(2_500);
    expect([factorOf(eager!, 'b'), factorOf(reluctant!, 'b')]).toEqual([0.5, 0.1]);
    clock.advance(2_500);
    expect([factorOf(eager!, 'b'), factorOf(reluctant!, 'b')]).toEqual([0.707, 0.25]);
  });

  it('does not apply to instances that join an empty list', () => {
    const balancer = create();
    balancer.update([]);
    balancer.update([a, b]);
    expect([factorOf(balancer, 'a'), factorOf(balancer, 'b')]).toEqual([1, 1]);
    // All are replaced at once: no other instance could take the rest of the share.
    balancer.update([c]);
    expect(factorOf(balancer, 'c')).toBe(1);
  });

  it('begins when an instance can take calls, not when it registers', () => {
    const balancer = create();
    balancer.update([a, c, { ...b, status: 'unknown' }]);
    clock.advance(60_000);
    balancer.update([a, c, b]);
    expect(factorOf(balancer, 'b')).toBe(0.1);
  });

  it('restarts after an instance was unhealthy, and for a new registration with the same id', () => {
    const balancer = create();
    balancer.update([a, b, c]);
    balancer.update([a, { ...b, status: 'unhealthy' }, { ...c, generation: 2 }]);
    expect([factorOf(balancer, 'b'), factorOf(balancer, 'c')]).toEqual([1, 0.1]);
    clock.advance(5_000);
    balancer.update([a, b, { ...c, generation: 2 }]);
    expect([factorOf(balancer, 'b'), factorOf(balancer, 'c')]).toEqual([0.1, 0.5]);
  });

  it('restarts if only the generation changed', () => {
    const balancer = create();
    balancer.update([a, b]);
    balancer.update([a, { ...b, generation: 2 }]);
    expect(factorOf(balancer, 'b')).toBe(0.1);
  });

  it('continues through unrelated updates', () => {
    const balancer = create();
    balancer.update([a]);
    balancer.update([a, b]);
    for (let update = 0; update < 50; update++) {
      clock.advance(100);
      balancer.update([
        { ...a, metadata: { update } },
        { ...b, lastHeartbeat: update },
      ]);
    }
    expect(factorOf(balancer, 'b')).toBe(0.5);
  });

  it('is off by default', () => {
    const balancer = create('round_robin', false);
    balancer.update([a]);
    balancer.update([a, b]);
    expect(factorOf(balancer, 'b')).toBe(1);
    expect(counts(balancer, 10)).toEqual({ a: 5, b: 5 });
  });

  it('gives an instance exactly its share in weighted round robin', () => {
    const balancer = create();
    balancer.update([a]);
    balancer.update([a, b]);
    expect(counts(balancer, 1_100)).toEqual({ a: 1_000, b: 100 });
    clock.advance(5_000);
    // Plus or minus a full turn, for picks outstanding from before.
    expect(counts(balancer, 300).b).toBe(100);
    clock.advance(5_000);
    expect(counts(balancer, 100).b).toBe(50);
  });

  it('gives an instance exactly its share of turns in round robin, evenly spread', () => {
    const balancer = create('round_robin');
    balancer.update([a]);
    balancer.update([a, b]);
    expect(counts(balancer, 1_100)).toEqual({ a: 1_000, b: 100 });
    let [longest, run] = [0, 0];
    for (let call = 0; call < 110; call++) {
      run = counts(balancer, 1).b === 1 ? 0 : run + 1;
      longest = Math.max(longest, run);
    }
    expect(longest).toBe(10);
    clock.advance(5_000);
    expect(counts(balancer, 300).b).toBe(100);
    clock.advance(5_000);
    expect(counts(balancer, 100)).toEqual({ a: 50, b: 50 });
  });

  it('applies to calls without a key with any fallback of a hash strategy', () => {
    for (const fallback of ['round_robin', 'weighted_round_robin'] as const) {
      const loadBalancing = { strategy: 'consistent_hash', hash: { fallback }, slowStart: { window: '10s' } } as const;
      const balancer = createLoadBalancer(loadBalancing, { clock, random: seededRandom(1) });
      balancer.update([a]);
      balancer.update([a, b]);
      expect(counts(balancer, 1_100)).toEqual({ a: 1_000, b: 100 });
    }
  });

  it('gives instances that start together equal shares with any strategy', () => {
    const balancer = create('round_robin', { window: '1h' });
    balancer.update([a]);
    balancer.update([a, b, c]);
    balancer.update([b, c]);
    expect(counts(balancer, 100)).toEqual({ b: 50, c: 50 });
  });

  it.each(Object.values(LoadBalancingStrategy))(
    'makes %s send less to an instance that starts, and its full share later',
    (name) => {
      const balancer = create(name, { window: '10s' });
      const instances = Array.from({ length: 10 }, (_, index) => fakeInstance({ instanceId: `i${index}` }));
      balancer.update(instances.slice(1));
      balancer.update(instances);
      const callsToNew = (): number => {
        let calls = 0;
        for (let call = 0; call < 2_000; call++) {
          const picked = balancer.pick({ key: `key-${call}`, clientIp: `10.0.${call >> 8}.${call & 255}` });
          if (picked.kind !== 'picked') throw new Error(picked.reason);
          picked.done({ kind: 'response', status: 200, latencyMs: 5 });
          if (picked.instance.instanceId === 'i0') calls++;
        }
        return calls;
      };
      // A tenth of its share of a tenth, then half of it, then all of it.
      const [first, half, full] = [0, 5_000, 5_001].map((ms) => {
        clock.advance(ms);
        return callsToNew();
      }) as [number, number, number];
      expect(first).toBeGreaterThan(0);
      expect(first).toBeLessThan(60);
      expect(half).toBeGreaterThan(60);
      expect(half).toBeLessThan(160);
      expect(full).toBeGreaterThan(160);
      expect(full).toBeLessThan(260);
    },
  );

  it('assigns always the same keys, and more over time, with a custom strategy that uses keys', () => {
    const owner: Strategy = {
      choose: (candidates, { base, key }) => {
        const index = Number(key) % base.length;
        const found = base[index];
        return found && candidates.includes(found) ? found : candidates[0]!;
      },
    };
    const balancer = create(() => owner);
    balancer.update([a]);
    balancer.update([a, b]);
    const keysOfNew = (): string[] => {
      const keys = Array.from({ length: 400 }, (_, key) => String(key));
      return keys.filter((key) => counts(balancer, 1, { key }).b === 1);
    };
    let before: string[] = [];
    for (const part of [0.1, 0.3, 0.6, 1]) {
      const keys = keysOfNew();
      expect(keysOfNew()).toEqual(keys);
      expect(keys).toEqual(expect.arrayContaining(before));
      expect(Math.abs(keys.length - 200 * part)).toBeLessThan(20);
      before = keys;
      clock.advance(part === 0.1 ? 3_000 : part === 0.3 ? 3_000 : 4_000);
    }
  });

  it('updates weighted strategies at each step, with a new list each time', () => {
    const seen: (readonly Candidate[])[] = [];
    const weights: number[] = [];
    const strategy: Strategy = {
      isWeighted: true,
      choose: (candidates) => {
        seen.push(candidates);
        weights.push(candidates.at(-1)!.weight);
        return candidates[0]!;
      },
    };
    const balancer = create(() => strategy);
    balancer.update([a]);
    balancer.update([a, b]);
    balancer.pick();
    balancer.pick();
    clock.advance(5_000);
    balancer.pick();
    balancer.pick();
    clock.advance(5_000);
    balancer.pick();
    clock.advance(5_000);
    balancer.pick();
    expect(weights).toEqual([10, 10, 50, 50, 100, 100]);
    expect(seen.map((list) => seen.indexOf(list))).toEqual([0, 0, 2, 2, 4, 4]);
  });

  it('applies from the first call on, also when the weights of others were updated just before', () => {
    const weights: number[][] = [];
    const choose = (candidates: readonly Candidate[]): Candidate => {
      weights.push(candidates.map(({ weight }) => weight));
      return candidates[0]!;
    };
    const weighted = create(() => ({ isWeighted: true, choose }));
    weighted.update([a]);
    weighted.update([a, b]);
    weighted.pick();
    weighted.update([a, b, c]);
    weighted.pick();
    expect(weights.splice(0)).toEqual([
      [100, 10],
      [100, 10, 10],
    ]);
    // A strategy that is not weighted must not see reduced weights: the balancer skips turns instead.
    const unweighted = create(() => ({ isWeighted: false, choose }));
    unweighted.update([a]);
    unweighted.update([a, b]);
    unweighted.pick();
    expect(weights).toEqual([[100, 100]]);
  });

  it('stops updating weights once all have their full share', () => {
    const slow = new SlowStart({ window: 1_000, aggression: 1, minimumWeight: 0.1 }, clock, () => 0);
    slow.update([a]);
    expect(slow.takeStep(clock.now())).toBe(false);
    slow.update([a, b]);
    expect([slow.takeStep(0), slow.takeStep(9), slow.takeStep(10), slow.takeStep(15)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect([slow.takeStep(1_000), slow.isWarming('b'), slow.takeStep(2_000)]).toEqual([true, false, false]);
  });
});
