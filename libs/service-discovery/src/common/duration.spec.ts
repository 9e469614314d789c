import { describe, expect, it } from '@jest/globals';
import { bareNumberProblem, type Duration, parseDuration, toMs } from './duration.js';
import { InvalidConfigurationError } from './errors.js';
import { durationText } from './texts.js';

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
    expect(toMs(value as Duration, 'x')).toBe(ms);
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

  it('is reported with its path, value and what is allowed if wrong', () => {
    expect(() => toMs('soon' as Duration, 'retry.baseDelay')).toThrow(InvalidConfigurationError);
    expect(() => toMs('soon' as Duration, 'retry.baseDelay')).toThrow(
      /retry\.baseDelay: expected milliseconds .*'30s'.* but got "soon"/,
    );
  });
});

describe('a number that was probably meant in seconds', () => {
  it('is one between 0 and 100', () => {
    expect(bareNumberProblem(30)).toBe("a unit: 30 is 30 ms; write '30ms' or '30s'");
    expect(bareNumberProblem(0.5)).toBe("a unit: 0.5 is 0.5 ms; write '0.5ms' or '0.5s'");
    for (const right of [0, 100, 30_000, '30ms', -1, Number.NaN, undefined]) {
      expect(bareNumberProblem(right)).toBeUndefined();
    }
  });
});

describe('a duration in a message', () => {
  it.each([
    [0, '0 ms'],
    [12.4, '12 ms'],
    [999, '999 ms'],
    [1_235, '1.24 s'],
    [30_000, '30 s'],
    [119_900, '120 s'],
    [600_000, '10 min'],
    [5_430_000, '90.5 min'],
    [129_600_000, '36 h'],
  ])('of %d ms is %s', (ms, text) => {
    expect(durationText(ms)).toBe(text);
  });
});
