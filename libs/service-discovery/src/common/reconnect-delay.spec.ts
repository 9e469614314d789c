import { describe, expect, it } from '@jest/globals';
import { reconnectDelay } from './reconnect-delay.js';

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
