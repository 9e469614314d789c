import { describe, expect, it } from '@jest/globals';
import { loadShares } from './panic.js';

const shares = (levels: readonly (readonly [available: number, total: number])[], minimum: number): number[] =>
  loadShares(
    levels.map(([available, total]) => ({ available, total, isPanic: false })),
    minimum,
  ).map((share) => Math.round(share * 1_000) / 1_000);

describe('loadShares', () => {
  it('gives everything to the first level while enough of it is available', () => {
    expect(
      shares(
        [
          [10, 10],
          [10, 10],
        ],
        0.7,
      ),
    ).toEqual([1, 0]);
    expect(
      shares(
        [
          [7, 10],
          [10, 10],
        ],
        0.7,
      ),
    ).toEqual([1, 0]);
  });

  it('passes what a level cannot carry to the next one first', () => {
    expect(
      shares(
        [
          [6, 10],
          [10, 10],
          [10, 10],
        ],
        0.8,
      ),
    ).toEqual([0.75, 0.25, 0]);
    expect(
      shares(
        [
          [4, 10],
          [2, 10],
          [10, 10],
        ],
        0.8,
      ),
    ).toEqual([0.5, 0.25, 0.25]);
    expect(
      shares(
        [
          [0, 10],
          [10, 10],
        ],
        0.8,
      ),
    ).toEqual([0, 1]);
  });

  it('splits in proportion what the levels cannot carry', () => {
    expect(
      shares(
        [
          [2, 10],
          [1, 10],
        ],
        0.8,
      ),
    ).toEqual([0.667, 0.333]);
    expect(shares([[1, 100]], 0.7)).toEqual([1]);
  });

  it('stays at a level down to its last instance without a minimum', () => {
    expect(
      shares(
        [
          [1, 100],
          [10, 10],
        ],
        0,
      ),
    ).toEqual([1, 0]);
    expect(
      shares(
        [
          [0, 100],
          [1, 10],
        ],
        0,
      ),
    ).toEqual([0, 1]);
  });

  it('has no shares if none is available, and none for an empty level', () => {
    expect(
      shares(
        [
          [0, 10],
          [0, 10],
        ],
        0.7,
      ),
    ).toEqual([0, 0]);
    expect(
      shares(
        [
          [0, 0],
          [5, 10],
        ],
        0.7,
      ),
    ).toEqual([0, 1]);
  });
});
