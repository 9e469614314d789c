import { describe, expect, it } from '@jest/globals';
import { type Outcome, type Random, seededRandom } from '../../common/index.js';
import { type ServiceInstance } from '../../model/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { createLoadBalancer } from '../load-balancing.js';
import { type LoadBalancer, type PickContext } from '../load-balancer.js';
import { type LoadBalancingStrategyName } from './strategy-names.js';

const ANSWERED: Outcome = { kind: 'response', status: 200, latencyMs: 5 };
const BOUND = 1.25;

const instances = (weights: readonly number[]): ServiceInstance[] =>
  weights.map((weight, index) => fakeInstance({ instanceId: `10.0.0.${index}:8080`, weight }));
const alike = (count: number): ServiceInstance[] => instances(Array.from({ length: count }, () => 100));

function create(
  strategy: LoadBalancingStrategyName,
  list: readonly ServiceInstance[],
  boundedLoad: number | false,
): LoadBalancer {
  const balancer = createLoadBalancer({ strategy, hash: { boundedLoad } }, { random: seededRandom(1) });
  balancer.update(list);
  return balancer;
}

/** Begins a call and returns a function that ends it. */
function begin(balancer: LoadBalancer, context: PickContext): { id: string; end: () => void } {
  const result = balancer.pick(context);
  if (result.kind !== 'picked') throw new Error(result.reason);
  return { id: result.instance.instanceId, end: () => result.done(ANSWERED) };
}

/** Keys with Zipf's distribution: the k-th most popular is used in proportion to 1 / k^exponent. */
function zipfKeys(count: number, exponent: number, random: Random): () => string {
  const sums: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= count; rank++) sums.push((sum += rank ** -exponent));
  return () => {
    const draw = random() * sum;
    return `key-${sums.findIndex((upTo) => upTo > draw)}`;
  };
}

describe.each(['consistent_hash', 'maglev'] as const)('%s with bounded loads', (strategy) => {
  it('keeps every instance below 1.25 times the mean load with popular keys', () => {
    const peakOf = (bound: number | false): number => {
      const balancer = create(strategy, alike(10), bound);
      const nextKey = zipfKeys(1_000, 1.1, seededRandom(3));
      const active = new Map<string, number>();
      const running: { id: string; end: () => void }[] = [];
      let peak = 0;
      for (let call = 0; call < 5_000; call++) {
        const begun = begin(balancer, { key: nextKey() });
        running.push(begun);
        const load = (active.get(begun.id) ?? 0) + 1;
        active.set(begun.id, load);
        if (running.length > 400) {
          peak = Math.max(peak, load / (running.length / 10));
          const [ended] = running.splice(0, 1) as [typeof begun];
          ended.end();
          active.set(ended.id, (active.get(ended.id) ?? 0) - 1);
        }
      }
      return peak;
    };
    expect(peakOf(false)).toBeGreaterThan(2);
    // Rounded up to a whole call of 40.
    expect(peakOf(BOUND)).toBeLessThanOrEqual(BOUND + 1 / 40);
  });

  it('never exceeds the bound, rounded up, by weight', () => {
    const weights = [100, 200, 300, 50, 350];
    const list = instances(weights);
    const balancer = create(strategy, list, BOUND);
    const active = new Map<string, number>();
    for (let calls = 1; calls <= 300; calls++) {
      const { id } = begin(balancer, { key: 'one key for all' });
      const load = (active.get(id) ?? 0) + 1;
      active.set(id, load);
      const weight = list.find(({ instanceId }) => instanceId === id)?.weight ?? 0;
      expect(load).toBeLessThanOrEqual(Math.ceil((BOUND * calls * weight) / 1_000));
    }
    expect(active.size).toBeGreaterThanOrEqual(3);
  });

  it('keeps a key at its owner while that is below the bound, and returns to it', () => {
    const [free, bounded] = [create(strategy, alike(10), false), create(strategy, alike(10), BOUND)];
    const owner = begin(free, { key: 'k' }).id;
    const first = begin(bounded, { key: 'k' });
    const second = begin(bounded, { key: 'k' });
    expect(first.id).toBe(owner);
    expect(second.id).not.toBe(owner);
    // Always the same next one, so that it caches what the key needs.
    second.end();
    expect(begin(bounded, { key: 'k' }).id).toBe(second.id);
    first.end();
    expect(begin(bounded, { key: 'k' }).id).toBe(owner);
  });

  it('uses the mean over the instances that can take calls', () => {
    const list = alike(10);
    const balancer = create(strategy, list, BOUND);
    const left = list.slice(0, 2).map(({ instanceId }) => instanceId);
    const refusal: PickContext['refusal'] = ({ instanceId }) =>
      left.includes(instanceId) ? undefined : 'circuit_open';
    const counts = new Map<string, number>();
    for (let call = 0; call < 80; call++) {
      const { id } = begin(balancer, { key: 'k', refusal });
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    expect([...counts.values()].sort()).toEqual([30, 50]);
  });
});
