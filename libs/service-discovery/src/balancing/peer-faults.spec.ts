import { describe, expect, it } from '@jest/globals';
import { type Outcome, seededRandom } from '../common/index.js';
import { fakeInstance } from '../testing/fake-instance.js';
import { ManualClock } from '../testing/manual-clock.js';
import { type LoadBalancer, type PickContext } from './load-balancer.js';
import { createLoadBalancer, type LoadBalancing } from './load-balancing.js';
import { LOAD_STRATEGIES } from './strategies/strategy-names.js';

const ANSWERED: Outcome = { kind: 'response', status: 200, latencyMs: 5 };
const SEEDS = [1, 2, 3];

interface Balanced {
  update(weights: Record<string, number>): void;
  /** One call that ends at once. */
  pick(context?: PickContext): string;
  /** One call that does not end. */
  begin(context?: PickContext): string;
}

function balanced(strategy: LoadBalancing, seed: number): Balanced {
  const balancer: LoadBalancer = createLoadBalancer(strategy, { clock: new ManualClock(), random: seededRandom(seed) });
  const begin = (context?: PickContext): { id: string; end: () => void } => {
    const result = balancer.pick(context);
    if (result.kind !== 'picked') throw new Error(result.reason);
    return { id: result.instance.instanceId, end: () => result.done(ANSWERED) };
  };
  return {
    update(weights) {
      balancer.update(Object.entries(weights).map(([instanceId, weight]) => fakeInstance({ instanceId, weight })));
    },
    pick(context) {
      const { id, end } = begin(context);
      end();
      return id;
    },
    begin: (context) => begin(context).id,
  };
}

function countsOf(ids: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const id of ids) counts[id] = (counts[id] ?? 0) + 1;
  return counts;
}

/** What other balancers get wrong; docs/peer-faults.md tells of it, and `npm run conformance` shows it. */
describe('the faults of other balancers', () => {
  it.each(['round_robin', 'weighted_round_robin'] as const)(
    'round robin over a list that flaps starves no instance: %s',
    (strategy) => {
      for (const period of [1, 2, 3, 7]) {
        for (const flapping of ['a', 'b', 'c', 'd']) {
          const service = balanced(strategy, period);
          const due = { a: 0, b: 0, c: 0, d: 0 };
          const picked: string[] = [];
          for (let call = 0; call < 400; call++) {
            const all = Object.keys(due) as (keyof typeof due)[];
            const present = Math.floor(call / period) % 2 === 0 ? all : all.filter((id) => id !== flapping);
            service.update(Object.fromEntries(present.map((id) => [id, 100])));
            for (const id of present) due[id] += 1 / present.length;
            picked.push(service.pick());
          }
          const got = countsOf(picked);
          const least = Math.min(...Object.entries(due).map(([id, calls]) => (got[id] ?? 0) / calls));
          expect(least).toBeGreaterThan(0.7);
        }
      }
    },
  );

  it.each(['round_robin', 'weighted_round_robin'] as const)(
    "one service's turn does not move another's: %s",
    (strategy) => {
      const [users, orders] = [balanced(strategy, 1), balanced(strategy, 2)];
      users.update({ a: 100, b: 100 });
      orders.update({ a: 100, b: 100 });
      const picked: string[] = [];
      for (let call = 0; call < 100; call++) {
        picked.push(users.pick());
        orders.pick();
      }
      expect(countsOf(picked)).toEqual({ a: 50, b: 50 });
    },
  );

  it('idle least connections does not always pick the first', () => {
    for (const seed of SEEDS) {
      const service = balanced('least_connections', seed);
      service.update({ a: 100, b: 100, c: 100, d: 100 });
      const got = countsOf(Array.from({ length: 40 }, () => service.pick()));
      expect(Object.keys(got).sort()).toEqual(['a', 'b', 'c', 'd']);
    }
  });

  it('weighted round robin 5,5,5,5,5,1 makes no bursts', () => {
    for (const seed of SEEDS) {
      const service = balanced('weighted_round_robin', seed);
      service.update({ a: 5, b: 5, c: 5, d: 5, e: 5, f: 1 });
      const picked = Array.from({ length: 26 * 4 }, () => service.pick());
      expect(countsOf(picked)).toEqual({ a: 20, b: 20, c: 20, d: 20, e: 20, f: 4 });
      expect(picked.filter((id, index) => id === picked[index + 1])).toEqual([]);
    }
  });

  it.each(LOAD_STRATEGIES)(
    'statistics survive an unrelated change of the list, and 1,000 of the same list: %s',
    (strategy) => {
      const service = balanced(strategy, 1);
      const weights = { a: 100, b: 100, c: 100 };
      service.update(weights);
      for (const id of ['a', 'b', 'c'])
        service.pick({ exclude: new Set(Object.keys(weights).filter((o) => o !== id)) });
      for (let call = 0; call < 100; call++) service.begin({ exclude: new Set(['a', 'c']) });
      for (let update = 0; update < 1_000; update++) service.update(weights);
      service.update({ ...weights, d: 100 });
      service.update({ c: 100, b: 100, a: 100 });
      const picked = Array.from({ length: 60 }, () => service.pick());
      expect(countsOf(picked).b).toBeUndefined();
    },
  );
});
