import { describe, expect, it } from '@jest/globals';
import { differenceOf } from './values.js';

const areSame = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

describe('differenceOf', () => {
  it.each([
    ['', '', 0, 0, 0],
    ['abc', 'ABC', 3, 3, 3],
    ['', 'abc', 0, 0, 3],
    ['abc', '', 0, 3, 0],
    ['abc', 'abcd', 3, 3, 4],
    ['abcd', 'acd', 1, 2, 1],
    ['abcd', 'axcd', 1, 2, 2],
    ['abcd', 'acde', 1, 4, 4],
    ['abc', 'cba', 0, 3, 3],
    ['aa', 'a', 1, 2, 1],
    ['a', 'aa', 1, 1, 2],
  ])('finds where %p and %p differ', (before, after, start, endBefore, endAfter) => {
    expect(differenceOf([...before], [...after], areSame)).toEqual({ start, endBefore, endAfter });
  });
});
