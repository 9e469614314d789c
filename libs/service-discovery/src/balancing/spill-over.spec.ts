import { describe, expect, it } from '@jest/globals';
import { shareOut } from './spill-over.js';

const shares = (levels: readonly (readonly [able: number, total: number])[], minimum: number): number[] =>
  shareOut(
    levels.map(([able, total]) => ({ able, total, isPanic: false })),
    minimum,
  ).map((share) => Math.round(share * 1_000) / 1_000);

describe('shareOut', () => {
  it('leaves everything to the first level as long as enough of it is able', () => {
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

  it('hands on what a level cannot bear, to the next one first', () => {
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

  it('shares out in proportion what nobody can bear', () => {
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

  it('stays at a level to the last one where no minimum is set', () => {
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

  it('has no shares where nobody is able, and none for a level that is empty', () => {
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
