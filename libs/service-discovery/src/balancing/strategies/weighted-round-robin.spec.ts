import { describe, expect, it } from '@jest/globals';
import { type Random, seededRandom } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { createLoadBalancer } from '../load-balancing.js';
import { type LoadBalancer, type PickContext } from '../load-balancer.js';
import { LoadTracker } from '../load/load-tracker.js';
import { type Candidate } from './strategy.js';
import { WeightedRoundRobin } from './weighted-round-robin.js';

const weighted = (weights: Record<string, number>): ServiceInstance[] =>
  Object.entries(weights).map(([instanceId, weight]) => fakeInstance({ instanceId, weight }));
const create = (weights: Record<string, number>, random: Random = () => 0): LoadBalancer => {
  const balancer = createLoadBalancer('weighted_round_robin', { random });
  balancer.update(weighted(weights));
  return balancer;
};
const picks = (balancer: LoadBalancer, count: number, context?: PickContext): string =>
  Array.from({ length: count }, () => {
    const result = balancer.pick(context);
    return result.kind === 'picked' ? result.instance.instanceId : '-';
  }).join('');
const share = (sequence: string, id: string): number => sequence.split(id).length - 1;
/** The most consecutive picks of one instance. */
const longestRun = (sequence: string): number =>
  Math.max(...(sequence.match(/(.)\1*/g) ?? []).map(({ length }) => length));

describe('weighted round robin', () => {
  it('goes in turn if the weights are equal', () => {
    expect(picks(create({ a: 100, b: 100, c: 100 }), 6)).toBe('abcabc');
  });

  it('interleaves a heavy instance with the others', () => {
    expect(picks(create({ a: 5, b: 1, c: 1 }), 14)).toBe('aabaacaaabaaca');
    expect(picks(create({ a: 4, b: 2, c: 1 }), 7)).toBe('abaacba');
    expect(longestRun(picks(create({ a: 1, b: 2 }), 30))).toBe(2);
    expect(longestRun(picks(create({ a: 100, b: 100, c: 99 }), 299))).toBe(1);
  });

  it('makes no bursts for weights 5, 5, 5, 5, 5, 1', () => {
    const sequence = picks(create({ a: 5, b: 5, c: 5, d: 5, e: 5, f: 1 }), 26);
    expect(longestRun(sequence)).toBe(1);
    expect([...'abcdef'].map((id) => share(sequence, id))).toEqual([5, 5, 5, 5, 5, 1]);
  });

  it.each<Record<string, number>>([
    { a: 5, b: 1, c: 1 },
    { a: 7, b: 3 },
    { a: 100, b: 250, c: 33, d: 1 },
    { a: 0.5, b: 1.5 },
  ])('gives each its exact share over a full turn: %p', (weights) => {
    const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0) * 2;
    for (const seed of [1, 2, 3]) {
      const sequence = picks(create(weights, seededRandom(seed)), total);
      for (const [id, weight] of Object.entries(weights)) expect(share(sequence, id)).toBe(weight * 2);
    }
  });

  it('starts at a random point of the turn in a random order, so that processes are not in step', () => {
    const [firsts, orders] = [new Set<string>(), new Set<string>()];
    for (let seed = 0; seed < 200; seed++) {
      firsts.add(picks(create({ a: 5, b: 1, c: 1 }, seededRandom(seed)), 1));
      orders.add(picks(create({ a: 7, b: 7, c: 7 }, seededRandom(seed)), 3));
    }
    expect([...firsts].sort()).toEqual(['a', 'b', 'c']);
    expect([...orders].sort()).toEqual(['abc', 'acb', 'bac', 'bca', 'cab', 'cba']);
  });

  it('continues the turn when the list is published again', () => {
    const balancer = create({ a: 5, b: 1, c: 1 });
    let sequence = '';
    for (let call = 0; call < 14; call++) {
      balancer.update(weighted({ a: 5, b: 1, c: 1 }));
      sequence += picks(balancer, 1);
    }
    expect(sequence).toBe('aabaacaaabaaca');
  });

  it('applies new weights within one turn after very heavy ones', () => {
    const balancer = create({ a: 100_000, b: 1 });
    picks(balancer, 1_000);
    balancer.update(weighted({ a: 1, b: 1 }));
    const sequence = picks(balancer, 20);
    expect(share(sequence, 'a')).toBeGreaterThanOrEqual(9);
    expect(share(sequence, 'a')).toBeLessThanOrEqual(11);
  });

  it('adds an instance without sending it a burst', () => {
    const balancer = create({ a: 1, b: 1, c: 1 });
    picks(balancer, 100);
    balancer.update(weighted({ a: 1, b: 1, c: 1, d: 1 }));
    expect(longestRun(picks(balancer, 40))).toBe(1);
  });

  it('picks an instance that was unavailable for long by its weight, not until it has caught up', () => {
    const balancer = create({ a: 1, b: 1, c: 1 });
    const [a, b, c] = weighted({ a: 1, b: 1, c: 1 }) as [ServiceInstance, ServiceInstance, ServiceInstance];
    balancer.update([a, b, { ...c, status: 'unhealthy' }]);
    picks(balancer, 1_000);
    balancer.update([a, b, c]);
    expect(share(picks(balancer, 30), 'c')).toBeLessThanOrEqual(11);
  });

  it('keeps the shares of the others while one refuses, which is then owed at most one pick', () => {
    const balancer = create({ a: 4, b: 2, c: 1 });
    const refusal: PickContext['refusal'] = ({ instanceId }) => (instanceId === 'a' ? 'circuit_open' : undefined);
    const sequence = picks(balancer, 300, { refusal });
    expect([share(sequence, 'a'), share(sequence, 'b'), share(sequence, 'c')]).toEqual([0, 200, 100]);
    const after = picks(balancer, 70);
    expect(share(after, 'a')).toBeLessThanOrEqual(41);
    expect(longestRun(after)).toBeLessThanOrEqual(3);
  });

  it('compensates an instance that refuses now and then for most of the picks that it misses', () => {
    const balancer = create({ a: 2, b: 1, c: 1, d: 3 });
    let sequence = '';
    for (let call = 0; call < 700; call++) {
      sequence += picks(balancer, 1, call % 5 === 0 ? { exclude: new Set(['d']) } : {});
    }
    // It would be 300 of 700; without making up, three parts of seven in four of five calls are 240.
    expect([...'abcd'].map((id) => share(sequence, id))).toEqual([210, 105, 105, 280]);
  });

  it('keeps the shares of several instances that refuse at the same time when they recover', () => {
    const balancer = create({ a: 3, b: 1, c: 2, d: 2 });
    const refusal: PickContext['refusal'] = ({ instanceId }) =>
      'cd'.includes(instanceId) ? undefined : 'circuit_open';
    expect(share(picks(balancer, 400, { refusal }), 'c')).toBe(200);
    const after = picks(balancer, 80);
    for (const [id, due] of Object.entries({ a: 30, b: 10, c: 20, d: 20 })) {
      expect(Math.abs(share(after, id) - due)).toBeLessThanOrEqual(1);
    }
  });

  it('gives retries their shares and counts them', () => {
    const balancer = create({ a: 3, b: 2, c: 1 });
    const exclude = new Set(['a']);
    let [first, second] = ['', ''];
    for (let call = 0; call < 600; call++) {
      first += picks(balancer, 1);
      second += picks(balancer, 1, { exclude });
    }
    // b and c take all retries, so a takes most of the first attempts: its share of all is half of them.
    expect([share(second, 'b'), share(second, 'c')]).toEqual([400, 200]);
    expect(share(first, 'a')).toBeGreaterThanOrEqual(598);
  });

  it('keeps the shares of calls to one zone independent of other calls', () => {
    const weights = { a: 200, b: 100, c: 100, d: 300 };
    const zoneOf = (id: string): string => ('cd'.includes(id) ? 'near' : 'far');
    const balancer = createLoadBalancer('weighted_round_robin', { random: seededRandom(2) });
    balancer.update(weighted(weights).map((each) => ({ ...each, zone: zoneOf(each.instanceId) })));
    let [all, near] = ['', ''];
    for (let call = 0; call < 2_100; call++) {
      if (call % 3 === 0) all += picks(balancer, 1);
      else near += picks(balancer, 1, { zone: 'near' });
    }
    expect(Object.keys(weights).map((id) => share(all, id))).toEqual([200, 100, 100, 300]);
    expect(['c', 'd'].map((id) => share(near, id))).toEqual([350, 1_050]);
  });

  it('continues the turns of the list that a new one overlaps with most', () => {
    const strategy = new WeightedRoundRobin(seededRandom(4));
    const loads = new LoadTracker();
    const candidates = weighted({ a: 200, b: 100, c: 100, d: 300 }).map((instance) => {
      return { instance, load: loads.of(instance.instanceId), weight: instance.weight };
    });
    const next = (list: readonly Candidate[]): string => {
      // A new array for each pick.
      const base = [...list];
      return strategy.choose(base, { base, registered: () => base, context: {} }).instance.instanceId;
    };
    let [all, part] = ['', ''];
    for (let call = 0; call < 700; call++) {
      all += next(candidates);
      part += next(candidates.slice(2));
    }
    expect([...'abcd'].map((id) => share(all, id))).toEqual([200, 100, 100, 300]);
    expect([...'cd'].map((id) => share(part, id))).toEqual([175, 525]);
  });

  it('prefers candidates of the list to others', () => {
    const strategy = new WeightedRoundRobin(seededRandom(1));
    const loads = new LoadTracker();
    const [a, b, c] = weighted({ a: 1, b: 1, c: 5 }).map((instance) => {
      return { instance, load: loads.of(instance.instanceId), weight: instance.weight };
    }) as [Candidate, Candidate, Candidate];
    const base = [a, b];
    for (let call = 0; call < 10; call++) {
      expect(strategy.choose([c, b], { base, registered: () => base, context: {} })).toBe(b);
    }
  });

  it('samples by weight if a retry has to go to instances in no list', () => {
    const balancer = create({ a: 1 }, seededRandom(5));
    const unchecked = weighted({ x: 3, y: 1 }).map((each) => ({ ...each, status: 'unknown' as const }));
    balancer.update([...weighted({ a: 8 }), ...unchecked]);
    let sequence = '';
    for (let call = 0; call < 400; call++) sequence += picks(balancer, 1, { exclude: new Set(['a']) });
    expect(share(sequence, 'a')).toBe(0);
    expect(share(sequence, 'y')).toBeGreaterThan(40);
    expect(share(sequence, 'x')).toBeGreaterThan(2 * share(sequence, 'y'));
  });

  it('gives each its exact share of a list that flaps, in the picks for which it is listed', () => {
    for (let seed = 1; seed <= 10; seed++) {
      const balancer = create({ a: 200, b: 100, c: 100, d: 300 }, seededRandom(seed));
      const lists = [weighted({ a: 200, b: 100, c: 100 }), weighted({ a: 200, b: 100, c: 100, d: 300 })];
      const flapping = (calls: number): string => {
        let sequence = '';
        for (let call = 0; call < calls; call++) {
          balancer.update(lists[call % 2] ?? []);
          sequence += picks(balancer, 1);
        }
        return sequence;
      };
      // The random start may leave a pick more or less at first.
      const first = flapping(5_600);
      for (const [id, due] of Object.entries({ a: 2_200, b: 1_100, c: 1_100, d: 1_200 })) {
        expect(Math.abs(share(first, id) - due)).toBeLessThanOrEqual(1);
      }
      const second = flapping(5_600);
      expect([...'abcd'].map((id) => share(second, id))).toEqual([2_200, 1_100, 1_100, 1_200]);
    }
  });

  it('starts at random for a list that has no member in common with the one before', () => {
    const balancer = create({ a: 5, b: 3 });
    picks(balancer, 3);
    balancer.update(weighted({ c: 5, d: 1, e: 1 }));
    expect(picks(balancer, 7)).toBe('ccdccec');
  });

  it('keeps its order through an outage of all instances', () => {
    const [balancer, undisturbed] = [0, 1].map(() => create({ a: 3, b: 2, c: 2 }, seededRandom(8))) as [
      LoadBalancer,
      LoadBalancer,
    ];
    expect(picks(balancer, 3)).toBe(picks(undisturbed, 3));
    const list = weighted({ a: 3, b: 2, c: 2 });
    balancer.update(list.map((each) => ({ ...each, status: 'maintenance' as const })));
    expect(picks(balancer, 1)).toBe('-');
    balancer.update(list);
    expect(picks(balancer, 7)).toBe(picks(undisturbed, 7));
  });

  it('gives an instance that joins a random position', () => {
    const places = new Map<number, number>();
    for (let seed = 0; seed < 400; seed++) {
      const balancer = create({ a: 1, b: 1, c: 1 }, seededRandom(seed));
      picks(balancer, seed % 7);
      balancer.update(weighted({ a: 1, b: 1, c: 1, d: 1 }));
      const place = picks(balancer, 4).indexOf('d');
      places.set(place, (places.get(place) ?? 0) + 1);
    }
    expect([...places.keys()].sort()).toEqual([0, 1, 2, 3]);
    expect(places.get(0)).toBeLessThan(400 * 0.4);
  });
});
