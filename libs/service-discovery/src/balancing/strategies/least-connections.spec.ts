import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { type Outcome, seededRandom } from '../../common/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { createLoadBalancer } from '../load-balancing.js';
import { type LoadBalancer, type PickContext } from '../load-balancer.js';

const ANSWERED: Outcome = { kind: 'response', status: 200, latencyMs: 5 };

function create(weights: Record<string, number>, random = seededRandom(3)): LoadBalancer {
  const balancer = createLoadBalancer('least_connections', { random });
  balancer.update(Object.entries(weights).map(([instanceId, weight]) => fakeInstance({ instanceId, weight })));
  return balancer;
}

/** Begins a call and returns a function that ends it. */
function begin(balancer: LoadBalancer, context?: PickContext): { id: string; end: () => void } {
  const result = balancer.pick(context);
  if (result.kind !== 'picked') throw new Error(result.reason);
  return { id: result.instance.instanceId, end: () => result.done(ANSWERED) };
}

function countsOf(ids: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const id of ids) counts[id] = (counts[id] ?? 0) + 1;
  return counts;
}

describe('least connections', () => {
  it('fills all instances evenly', () => {
    const balancer = create({ a: 100, b: 100, c: 100 });
    const calls = Array.from({ length: 30 }, () => begin(balancer));
    expect(countsOf(calls.map(({ id }) => id))).toEqual({ a: 10, b: 10, c: 10 });
  });

  it('chooses the instance with the fewest calls in flight', () => {
    const balancer = create({ a: 100, b: 100, c: 100 });
    const calls = Array.from({ length: 9 }, () => begin(balancer));
    const ofB = calls.filter(({ id }) => id === 'b');
    ofB.forEach(({ end }) => end());
    expect([begin(balancer), begin(balancer), begin(balancer)].map(({ id }) => id)).toEqual(['b', 'b', 'b']);
  });

  it('fills instances in proportion to their weights', () => {
    const balancer = create({ a: 300, b: 200, c: 100 });
    const calls = Array.from({ length: 60 }, () => begin(balancer));
    expect(countsOf(calls.map(({ id }) => id))).toEqual({ a: 30, b: 20, c: 10 });
  });

  it('spreads calls while idle rather than always choosing the first', () => {
    const draws = [0, 0.34, 0.67, 0.99];
    const balancer = create({ a: 100, b: 100, c: 100 }, () => draws.shift() ?? 0);
    const ids = [0, 1, 2, 3].map(() => {
      const { id, end } = begin(balancer);
      end();
      return id;
    });
    expect(ids).toEqual(['a', 'b', 'c', 'c']);
  });

  it('spreads calls while idle in proportion to the weights', () => {
    const draws = Array.from({ length: 100 }, (_, step) => (step + 0.5) / 100);
    const balancer = create({ a: 70, b: 30 }, () => draws.shift() ?? 0);
    const ids = Array.from({ length: 100 }, () => {
      const { id, end } = begin(balancer);
      end();
      return id;
    });
    expect(countsOf(ids)).toEqual({ a: 70, b: 30 });
  });

  it('chooses at random only among equal instances', () => {
    const balancer = create({ a: 100, b: 100, c: 100 }, () => 0.5);
    const busy = begin(balancer);
    expect(busy.id).toBe('b');
    expect([begin(balancer).id, begin(balancer).id].sort()).toEqual(['a', 'c']);
  });

  describe('if one has so many calls that several others have room for more than one', () => {
    /** The instance that gets the next call, for each random number. */
    const next = (weights: Record<string, number>, running: Record<string, number>, draws: readonly number[]): string =>
      draws
        .map((draw) => {
          const balancer = create(weights, () => draw);
          for (const [id, calls] of Object.entries(running)) {
            const exclude = new Set(Object.keys(weights).filter((other) => other !== id));
            for (let call = 0; call < calls; call++) begin(balancer, { exclude });
          }
          return begin(balancer).id;
        })
        .join('');
    const evenly = Array.from({ length: 12 }, (_, step) => (step + 0.5) / 12);

    it('chooses the one with the smallest (calls + 1) / weight', () => {
      expect(next({ a: 300, b: 100, c: 100 }, { a: 1, c: 20 }, evenly)).toBe('a'.repeat(12));
      expect(next({ a: 300, b: 100, c: 100 }, { a: 3, c: 20 }, evenly)).toBe('b'.repeat(12));
    });

    it('chooses by weight if that is equal, in any list order', () => {
      expect(next({ a: 200, b: 100, c: 100 }, { a: 1, c: 20 }, evenly)).toBe('a'.repeat(8) + 'b'.repeat(4));
      expect(next({ c: 100, d: 100, a: 100, b: 100 }, { c: 30, d: 1 }, evenly)).toBe('a'.repeat(6) + 'b'.repeat(6));
    });
  });

  it('sends calls to a heavy instance while there are too few for a light one to have its share', () => {
    for (const seed of [1, 2, 3, 4]) {
      const balancer = create({ heavy: 1_000, light: 1 }, seededRandom(seed));
      const calls = Array.from({ length: 100 }, () => begin(balancer));
      expect(countsOf(calls.map(({ id }) => id)).light ?? 0).toBeLessThanOrEqual(1);
    }
  });

  it('is never a whole call from the exact share by weight while calls only begin', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 10 }),
        fc.integer({ min: 0, max: 100_000 }),
        (weights, seed) => {
          const balancer = create(Object.fromEntries(weights.map((w, i) => [`i${i}`, w])), seededRandom(seed));
          const total = weights.reduce((sum, weight) => sum + weight, 0);
          const active = weights.map(() => 0);
          for (let calls = 1; calls <= 60; calls++) {
            const index = Number(begin(balancer).id.slice(1));
            active[index] = (active[index] ?? 0) + 1;
            weights.forEach((weight, each) => {
              const ahead = (active[each] ?? 0) - (calls * weight) / total;
              if (ahead >= 1) throw new Error(`i${each} has ${active[each]} of ${calls} calls`);
            });
          }
        },
      ),
      modelRuns('least connections', 2_000),
    );
  });

  it('chooses one with the fewest calls for equal weights, in whatever order calls end', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.nat({ max: 20 }), { maxLength: 60 }),
        fc.integer({ min: 0, max: 100_000 }),
        (count, ends, seed) => {
          const ids = Array.from({ length: count }, (_, index) => `i${index}`);
          const balancer = create(Object.fromEntries(ids.map((id) => [id, 100])), seededRandom(seed));
          const running: { id: string; end: () => void }[] = [];
          for (const end of ends) {
            const before = countsOf(running.map(({ id }) => id));
            const begun = begin(balancer);
            const least = Math.min(...ids.map((id) => before[id] ?? 0));
            expect(before[begun.id] ?? 0).toBe(least);
            running.push(begun);
            if (end < running.length) running.splice(end, 1).forEach((ended) => ended.end());
          }
        },
      ),
      modelRuns('fewest calls', 2_000),
    );
  });

  it('counts calls of retries, too', () => {
    const balancer = create({ a: 100, b: 100 });
    const exclude = new Set(['a']);
    const retries = [begin(balancer, { exclude }), begin(balancer, { exclude })];
    expect(retries.map(({ id }) => id)).toEqual(['b', 'b']);
    expect([begin(balancer), begin(balancer)].map(({ id }) => id)).toEqual(['a', 'a']);
  });
});
