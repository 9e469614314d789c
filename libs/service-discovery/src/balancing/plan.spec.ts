import { describe, expect, it } from '@jest/globals';
import { type CandidatePool, largestPool, RegisteredList, positionIn, poolAt } from './plan.js';

const pools = [0.5, 0.125, 0.375].map((share, index): CandidatePool => ({
  name: String(index),
  share,
  members: [],
  weights: [],
  registered: () => [],
  registeredList: new RegisteredList(
    { name: '', share: 1, members: [], registered: () => [] },
    { list: [], candidates: [] },
  ),
}));

describe('poolAt', () => {
  it('assigns each pool its interval, including the lower bound', () => {
    const names = [0, 0.49, 0.5, 0.62, 0.625, 0.99].map((draw) => poolAt(pools, draw).name);
    expect(names).toEqual(['0', '0', '1', '1', '2', '2']);
  });

  it('assigns the rest that rounding leaves to the last pool', () => {
    expect(poolAt(pools, 1).name).toBe('2');
  });
});

describe('positionIn', () => {
  it('returns the position of a number within its pool', () => {
    expect([0, 0.25, 0.5, 0.5625, 0.625, 0.8125].map((draw) => positionIn(pools, poolAt(pools, draw), draw))).toEqual([
      0, 0.5, 0, 0.5, 0, 0.5,
    ]);
  });
});

describe('largestPool', () => {
  it('returns the first of those with the greatest share', () => {
    expect(largestPool(pools)?.name).toBe('0');
    expect(largestPool(pools.toReversed())?.name).toBe('0');
    expect(largestPool([])).toBeUndefined();
  });
});
