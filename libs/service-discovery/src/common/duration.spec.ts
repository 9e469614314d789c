import { describe, expect, it } from '@jest/globals';
import { parseDuration, toMs } from './duration.js';
import { InvalidConfigurationError } from './errors.js';

describe('a duration', () => {
  it.each([
    [0, 0],
    [1.5, 1.5],
    ['250ms', 250],
    ['30s', 30_000],
    ['1.5s', 1_500],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['2d', 172_800_000],
    [' 30 s ', 30_000],
  ])('%j is %d ms', (value, ms) => {
    expect(toMs(value, 'x')).toBe(ms);
  });

  it.each([
    [-1],
    [Number.NaN],
    [Number.POSITIVE_INFINITY],
    [''],
    ['30'],
    ['s'],
    ['-30s'],
    ['1e3s'],
    ['30S'],
    ['30 sec'],
    ['1h30m'],
    ['.5s'],
    [`${'9'.repeat(400)}d`],
    [null],
    [undefined],
    [true],
    [{}],
    [['30s']],
  ])('is not %j', (value) => {
    expect(parseDuration(value)).toEqual({ problem: expect.any(String) });
  });

  it('that is wrong is named with its path, its value and what is allowed', () => {
    expect(() => toMs('soon', 'retry.baseDelay')).toThrow(InvalidConfigurationError);
    expect(() => toMs('soon', 'retry.baseDelay')).toThrow(
      /retry\.baseDelay: expected milliseconds .*'30s'.* but got "soon"/,
    );
  });
});
