import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { type Random } from '../../common/index.js';
import { fakeInstance } from '../../testing/fake-instance.js';
import { LoadTracker } from '../load-tracker.js';
import { type Candidate } from '../strategy.js';
import { WeightDraw } from './weight-draw.js';

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

describe('WeightDraw', () => {
  it('draws one in exact proportion to the weights', () => {
    const draws = Array.from({ length: 10 }, (_, step) => step / 10);
    const draw = new WeightDraw(listOf([5, 4, 1]), drawing(...draws));
    expect(draws.map(() => draw.one()).join('')).toBe('0000011112');
  });

  it('draws a second one in proportion among the others', () => {
    const others = (first: number): number[] =>
      [0.05, 0.25, 0.45, 0.65, 0.95].map((second) => {
        const draw = new WeightDraw(listOf([4, 2, 4]), drawing(first, second));
        return draw.besides(draw.one());
      });
    // Of 1 and 2, which weigh 2 and 4; then of 0 and 2; then of 0 and 1.
    expect(others(0.1).join('')).toBe('11222');
    expect(others(0.5).join('')).toBe('00022');
    expect(others(0.9).join('')).toBe('00001');
  });

  it('finds whom a number falls on as a walk along the weights does', () => {
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
        const found = new WeightDraw(listOf(given), drawing(drawn)).one();
        // A number between two of them may fall on either.
        if (Math.abs(left) > 1e-9 && Math.abs(left + (given[walked] ?? 0)) > 1e-9) expect(found).toBe(walked);
      }),
      modelRuns('draws of one', 2_000),
    );
  });

  it('draws from all but some as from a list of the others', () => {
    const weights = fc.array(fc.constantFrom(1, 1, 2, 50), { minLength: 1, maxLength: 12 });
    const chance = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
    fc.assert(
      fc.property(weights, fc.nat(2 ** 12), chance, (given, bits, drawn) => {
        const list = listOf(given);
        const out = given.flatMap((_, index) => ((bits & (1 << index)) === 0 ? [] : [index]));
        const others = list.filter((_, index) => !out.includes(index));
        if (others.length === 0) return;
        const expected = others[new WeightDraw(others, drawing(drawn)).one()];
        expect(list[new WeightDraw(list, drawing(drawn)).except(out)]).toBe(expected);
      }),
      modelRuns('draws from the others', 2_000),
    );
  });

  it('never draws the same one twice, whatever rounding does, unless it is alone', () => {
    const weights = fc.array(fc.double({ min: 1e-3, max: 1e3, noNaN: true }), { minLength: 2, maxLength: 20 });
    const chance = fc.oneof(
      fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
      fc.constant(0),
      fc.constant(1 - 2 ** -53),
    );
    fc.assert(
      fc.property(weights, chance, chance, (given, first, second) => {
        const draw = new WeightDraw(listOf(given), drawing(first, second));
        const one = draw.one();
        const other = draw.besides(one);
        expect(one).not.toBe(other);
        for (const index of [one, other]) expect(given[index]).toBeDefined();
      }),
      modelRuns('draws of two', 2_000),
    );
    const alone = new WeightDraw(listOf([7]), drawing());
    expect(alone.besides(alone.one())).toBe(0);
  });
});
