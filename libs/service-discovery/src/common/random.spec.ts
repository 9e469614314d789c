import { describe, expect, it } from '@jest/globals';
import { reconnectDelay, seededRandom, systemRandom } from './random.js';

const draw = (random: () => number, count: number): number[] => Array.from({ length: count }, random);

describe('seededRandom', () => {
  it('returns the same sequence for the same seed, and another for another', () => {
    expect(draw(seededRandom(7), 5)).toEqual(draw(seededRandom(7), 5));
    expect(draw(seededRandom(7), 5)).not.toEqual(draw(seededRandom(8), 5));
  });

  it('stays within 0 and 1, evenly distributed', () => {
    const buckets = new Array<number>(10).fill(0);
    for (const number of draw(seededRandom(1), 10_000)) {
      const bucket = Math.floor(number * 10);
      expect(bucket >= 0 && bucket < 10).toBe(true);
      buckets[bucket]! += 1;
    }
    for (const count of buckets) expect(Math.abs(count - 1_000)).toBeLessThan(120);
  });
});

describe('systemRandom', () => {
  it('returns numbers from 0 up to 1', () => {
    for (const number of draw(systemRandom, 100)) expect(number >= 0 && number < 1).toBe(true);
  });
});

describe('reconnectDelay', () => {
  const limits = { firstMs: 100, longestMs: 5_000 };

  it('doubles from the first wait up to the maximum', () => {
    const delays = [1, 2, 3, 6, 7, 2_000].map((attempt) => reconnectDelay(attempt, limits, () => 1));
    expect(delays).toEqual([100, 200, 400, 3_200, 5_000, 5_000]);
  });

  it('lies between half of the step and all of it', () => {
    expect([0, 0.5].map((random) => reconnectDelay(2, limits, () => random))).toEqual([100, 150]);
  });
});
