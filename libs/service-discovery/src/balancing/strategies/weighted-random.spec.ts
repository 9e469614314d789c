import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { type Random } from '../../common/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { type PickContext } from '../load-balancer.js';
import { createLoadBalancer } from '../load-balancing.js';
import { LoadTracker } from '../load/load-tracker.js';
import { type Candidate } from './strategy.js';
import { WeightedSampler } from './weighted-random.js';

const ALMOST_ONE = 1 - Number.EPSILON;

/** The instance picked for each random number. */
function picksOf(weights: Record<string, number>, draws: readonly number[], context?: PickContext): string {
  const rest = [...draws];
  const balancer = createLoadBalancer('random', { random: () => rest.shift() ?? 0 });
  balancer.update(Object.entries(weights).map(([instanceId, weight]) => fakeInstance({ instanceId, weight })));
  return draws
    .map(() => {
      const result = balancer.pick(context);
      return result.kind === 'picked' ? result.instance.instanceId : '-';
    })
    .join('');
}

describe('random', () => {
  it('is uniform for equal weights', () => {
    const draws = Array.from({ length: 12 }, (_, step) => step / 12);
    expect(picksOf({ a: 100, b: 100, c: 100 }, draws)).toBe('aaaabbbbcccc');
  });

  it('is in exact proportion to the weights', () => {
    const draws = Array.from({ length: 100 }, (_, step) => step / 100);
    expect(picksOf({ a: 70, b: 20, c: 10 }, draws)).toBe('a'.repeat(70) + 'b'.repeat(20) + 'c'.repeat(10));
  });

  it('never picks weight 0, and picks the last one for the greatest random number', () => {
    expect(picksOf({ a: 0, b: 1, c: 0, d: 1, e: 0 }, [0, 0.49, 0.5, ALMOST_ONE])).toBe('bbdd');
  });

  it('is in proportion also for calls with criteria', () => {
    const draws = Array.from({ length: 10 }, (_, step) => step / 10);
    expect(picksOf({ a: 50, b: 40, c: 10 }, draws, { exclude: new Set(['a']) })).toBe('bbbbbbbbcc');
  });
});

const loads = new LoadTracker();
const listOf = (weights: readonly number[]): Candidate[] =>
  weights.map((weight, index) => {
    const instance = fakeInstance({ instanceId: String(index), weight });
    return { instance, load: loads.of(instance.instanceId), weight };
  });
const drawing = (...draws: number[]): Random => {
  const left = [...draws];
  return () => left.shift() ?? 0;
};

describe('WeightedSampler', () => {
  it('samples in exact proportion to the weights', () => {
    const draws = Array.from({ length: 10 }, (_, step) => step / 10);
    const draw = new WeightedSampler(listOf([5, 4, 1]), drawing(...draws));
    expect(draws.map(() => draw.sample()).join('')).toBe('0000011112');
  });

  it('samples a second index in proportion among the others', () => {
    const others = (first: number): number[] =>
      [0.05, 0.25, 0.45, 0.65, 0.95].map((second) => {
        const draw = new WeightedSampler(listOf([4, 2, 4]), drawing(first, second));
        return draw.sampleOther(draw.sample());
      });
    // Among 1 and 2 with weights 2 and 4; then 0 and 2; then 0 and 1.
    expect(others(0.1).join('')).toBe('11222');
    expect(others(0.5).join('')).toBe('00022');
    expect(others(0.9).join('')).toBe('00001');
  });

  it('finds the same index for a number as a linear scan', () => {
    const weights = fc.array(
      fc.oneof(
        fc.constantFrom(1, 100),
        fc.integer({ min: 1, max: 100_000 }),
        fc.double({ min: 1e-3, max: 9, noNaN: true }),
      ),
      { minLength: 1, maxLength: 30 },
    );
    const chance = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
    fc.assert(
      fc.property(weights, chance, (given, drawn) => {
        let left = drawn * given.reduce((sum, weight) => sum + weight, 0);
        const walked = given.findIndex((weight) => (left -= weight) < -1e-9);
        const found = new WeightedSampler(listOf(given), drawing(drawn)).sample();
        // A number on the boundary may belong to either.
        if (Math.abs(left) > 1e-9 && Math.abs(left + (given[walked] ?? 0)) > 1e-9) expect(found).toBe(walked);
      }),
      modelRuns('draws of one', 2_000),
    );
  });

  it('samples without some indexes like from a list of the others', () => {
    const weights = fc.array(fc.constantFrom(1, 1, 2, 50), { minLength: 1, maxLength: 12 });
    const chance = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
    fc.assert(
      fc.property(weights, fc.nat(2 ** 12), chance, (given, bits, drawn) => {
        const list = listOf(given);
        const out = given.flatMap((_, index) => ((bits & (1 << index)) === 0 ? [] : [index]));
        const others = list.filter((_, index) => !out.includes(index));
        if (others.length === 0) return;
        const expected = others[new WeightedSampler(others, drawing(drawn)).sample()];
        expect(list[new WeightedSampler(list, drawing(drawn)).sampleExcept(out)]).toBe(expected);
      }),
      modelRuns('draws from the others', 2_000),
    );
  });

  it('never samples the same index twice despite rounding, unless it is the only one', () => {
    const weights = fc.array(fc.double({ min: 1e-3, max: 1e3, noNaN: true }), { minLength: 2, maxLength: 20 });
    const chance = fc.oneof(
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      fc.constant(0),
      fc.constant(1 - 2 ** -53),
    );
    fc.assert(
      fc.property(weights, chance, chance, (given, first, second) => {
        const draw = new WeightedSampler(listOf(given), drawing(first, second));
        const one = draw.sample();
        const other = draw.sampleOther(one);
        expect(one).not.toBe(other);
        for (const index of [one, other]) expect(given[index]).toBeDefined();
      }),
      modelRuns('draws of two', 2_000),
    );
    const alone = new WeightedSampler(listOf([7]), drawing());
    expect(alone.sampleOther(alone.sample())).toBe(0);
  });
});
