import { describe, expect, it } from '@jest/globals';
import { type CandidatePool, largestPool, Lineup, placeIn, poolAt } from './plan.js';

const pools = [0.5, 0.125, 0.375].map((share, index): CandidatePool => ({
  name: String(index),
  share,
  members: [],
  weights: [],
  registered: () => [],
  lineup: new Lineup({ name: '', share: 1, members: [], registered: () => [] }, { list: [], candidates: [] }),
}));

describe('poolAt', () => {
  it('gives each pool its part of the numbers, its beginning included', () => {
    const names = [0, 0.49, 0.5, 0.62, 0.625, 0.99].map((draw) => poolAt(pools, draw).name);
    expect(names).toEqual(['0', '0', '1', '1', '2', '2']);
  });

  it('leaves to the last one what rounding leaves over', () => {
    expect(poolAt(pools, 1).name).toBe('2');
  });
});

describe('placeIn', () => {
  it('says where in its pool a number falls', () => {
    expect([0, 0.25, 0.5, 0.5625, 0.625, 0.8125].map((draw) => placeIn(pools, poolAt(pools, draw), draw))).toEqual([
      0, 0.5, 0, 0.5, 0, 0.5,
    ]);
  });
});

describe('largestPool', () => {
  it('is the first of those with the greatest share', () => {
    expect(largestPool(pools)?.name).toBe('0');
    expect(largestPool(pools.toReversed())?.name).toBe('0');
    expect(largestPool([])).toBeUndefined();
  });
});
