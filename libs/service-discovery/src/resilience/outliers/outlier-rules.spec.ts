import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { modelRuns } from '../../../../../test/support/model-runs.js';
import { LeaveOneOut, quantileOf, standardError } from './outlier-rules.js';

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return Number.isInteger(middle) ? (sorted[middle - 1]! + sorted[middle]!) / 2 : sorted[Math.floor(middle)]!;
}

describe('leave-one-out statistics', () => {
  it('equal the statistics of the other values', () => {
    const values = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(values, (all) => {
        const statistics = new LeaveOneOut(all);
        for (const [index, value] of all.entries()) {
          const others = all.filter((_, other) => other !== index);
          const median = medianOf(others);
          const deviation = 1.4826 * medianOf(others.map((other) => Math.abs(other - median)));
          expect([statistics.median(value), statistics.deviation(value)]).toEqual([median, deviation]);
        }
      }),
      modelRuns('leave-one-out statistics', 2_000),
    );
  });

  it('are undefined for a single value', () => {
    const alone = new LeaveOneOut([7]);
    expect([alone.median(7), alone.deviation(7)]).toEqual([Number.NaN, 0]);
  });
});

describe('the standard error of a share', () => {
  it('shrinks with more calls, and is not 0 when all succeeded', () => {
    expect(standardError(0.5, 96)).toBeCloseTo(0.05103, 5);
    expect(standardError(1, 96)).toBeCloseTo(0.01429, 5);
    expect(standardError(1, 9_996)).toBeCloseTo(0.000141, 6);
  });
});

describe('a quantile', () => {
  it('is the nearest rank', () => {
    const of = (quantile: number): number => quantileOf(Float64Array.from([50, 10, 40, 20, 30]), quantile);
    expect([0.01, 0.2, 0.21, 0.5, 0.8, 0.81, 0.99].map(of)).toEqual([10, 10, 20, 30, 40, 50, 50]);
  });
});
