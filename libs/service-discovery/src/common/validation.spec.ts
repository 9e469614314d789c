import { beforeEach, describe, expect, it } from '@jest/globals';
import { InvalidConfigurationError } from './errors.js';
import { OptionValidator } from './validation.js';

let check: OptionValidator;

beforeEach(() => {
  check = new OptionValidator('retry');
});

const found = (): string[] => check.problems.map(({ path, expected }) => `${path}: ${expected}`);

describe('OptionValidator', () => {
  describe('options', () => {
    const defaults = { a: 1, b: 'x' };

    it('fills in absent and undefined values, and keeps null and false', () => {
      expect(check.options('', undefined, defaults)).toEqual(defaults);
      expect(check.options('', { a: 2, b: undefined }, defaults)).toEqual({ a: 2, b: 'x' });
      expect(check.options('', { a: null as never }, defaults)).toEqual({ a: null, b: 'x' });
      expect(found()).toEqual([]);
    });

    it('does not change the defaults', () => {
      check.options('', { a: 2 }, defaults);
      expect(defaults).toEqual({ a: 1, b: 'x' });
    });

    it('reports an unknown name, with a suggestion or a list of all', () => {
      const defaultsOfRetry = { maxAttempts: 3, baseDelay: 1 };
      expect(check.options('', { maxAtempts: 5, colour: 1 } as never, defaultsOfRetry)).toEqual(defaultsOfRetry);
      check.options('backoff', { maxAtempts: 5 } as never, defaultsOfRetry);
      expect(found()).toEqual([
        'retry.maxAtempts: no option of this name (did you mean "maxAttempts"?)',
        'retry.colour: no option of this name: known are maxAttempts, baseDelay',
        'retry.backoff.maxAtempts: no option of this name (did you mean "maxAttempts"?)',
      ]);
    });

    it('knows options without a default', () => {
      const given: { a: number; optional?: string } = { a: 2, optional: 'x' };
      expect(check.options<typeof given>('', given, { a: 1 }, ['optional'])).toEqual(given);
      check.options<typeof given>('', { optionel: 'x' } as never, { a: 1 }, ['optional']);
      expect(found()).toEqual(['retry.optionel: no option of this name (did you mean "optional"?)']);
    });

    it('ignores unknown names with undefined values', () => {
      expect(check.options('', { a: 2, c: undefined } as never, defaults)).toEqual({ a: 2, b: 'x' });
      expect(found()).toEqual([]);
    });

    it('hides the value of a name that looks like a secret', () => {
      check.options('', { password: 'hunter2', authToken: 'abc' } as never, defaults);
      check.options('', { header: { authorization: 'Bearer abc' }, privateKey: '-----BEGIN' } as never, defaults);
      expect(check.problems.map(({ value }) => value)).toEqual(['***', '***', { authorization: '***' }, '***']);
    });

    it('shows functions, and the length of a list', () => {
      const decorate = (): void => undefined;
      check.options('', { decorator: [decorate, true, 'abc', { a: 1 }], apply: decorate } as never, defaults);
      expect(check.problems.map(({ value }) => value)).toEqual([[decorate, true, '***', '***'], decorate]);
    });

    it('accepts a module namespace from `import * as`', async () => {
      const exported: object = await import('./values.js');
      expect(check.options('', exported, {}, Object.keys(exported))).toEqual({ ...exported });
      expect(found()).toEqual([]);
    });

    it.each([null, 'fast', 3, [1], new Map(), Promise.resolve()])(
      'reports %p, which is not an object of options',
      (given) => {
        expect(check.options('backoff', given as never, defaults)).toEqual(defaults);
        expect(found()).toEqual(['retry.backoff: an object of options']);
      },
    );
  });

  describe('numbers', () => {
    it.each([
      [5, {}],
      [0, { min: 0 }],
      [10, { max: 10 }],
      [1.5, { min: 1, max: 2 }],
      [3, { integer: true }],
    ])('accepts %d within %j', (value, range) => {
      expect(check.number('x', value, range)).toBe(value);
      expect(found()).toEqual([]);
    });

    it.each([
      [-1, { min: 0 }, 'a number of 0 or more'],
      [11, { max: 10 }, 'a number of 10 or less'],
      [1.5, { min: 1, max: 20, integer: true }, 'a whole number from 1 to 20'],
      ['3', {}, 'a number'],
      [Number.NaN, {}, 'a number'],
      [Number.POSITIVE_INFINITY, { min: 0 }, 'a number of 0 or more'],
      [undefined, {}, 'a number'],
    ])('reports %p as outside %j', (value, range, expected) => {
      expect(check.number('x', value, range)).toBeNaN();
      expect(found()).toEqual([`retry.x: ${expected}`]);
    });
  });

  describe('durations', () => {
    it('returns milliseconds', () => {
      expect(check.duration('x', '30s', { minMs: 1, maxMs: 60_000 })).toBe(30_000);
      expect(check.duration('x', 250)).toBe(250);
      expect(found()).toEqual([]);
    });

    it.each([
      ['0s', { minMs: 1 }, 'of 1ms or more'],
      ['2m', { minMs: 1_000, maxMs: 60_000 }, 'from 1s to 1m'],
      ['2d', { minMs: 0, maxMs: 86_400_000 }, 'from 0ms to 1d'],
      ['soon', { maxMs: 90_000 }, 'from 0ms to 90s'],
      [null, {}, 'of 0ms or more'],
    ])('reports %p with the limits in duration syntax', (value, range, limits) => {
      expect(check.duration('x', value, range)).toBeNaN();
      expect(found()).toEqual([`retry.x: a duration ${limits}, in milliseconds or as a text such as '30s'`]);
    });
  });

  it('reports a value that is not allowed', () => {
    expect(check.oneOf('mode', 'slow', ['fast', 'safe'])).toBe('slow');
    expect(check.oneOf('mode', 'fast', ['fast', 'safe'])).toBe('fast');
    expect(found()).toEqual(['retry.mode: one of "fast", "safe"']);
  });

  it('reports a value that is not a boolean', () => {
    expect([true, false].map((value) => check.boolean('on', value))).toEqual([true, false]);
    expect(check.boolean('on', 'true')).toBe(false);
    expect(found()).toEqual(['retry.on: true or false']);
  });

  it('reports a value that is not a function, unless it is absent', () => {
    check.optionalFunction('classify', undefined);
    check.optionalFunction('classify', () => undefined);
    check.optionalFunction('classify', 'retryable');
    expect(found()).toEqual(['retry.classify: a function']);
  });

  describe('gathering', () => {
    it('collects the problems of other checks into one error', () => {
      const problem = { path: 'bulkhead.limit', value: 0, expected: 'a number of 1 or more' };
      const broken = check.gather((): number => {
        throw new InvalidConfigurationError([problem]);
      });
      expect(broken).toBeUndefined();
      expect(check.gather(() => 7)).toBe(7);
      expect(check.problems).toEqual([problem]);
    });

    it('passes other errors on', () => {
      const bug = new TypeError('a bug');
      expect(() =>
        check.gather(() => {
          throw bug;
        }),
      ).toThrow(bug);
    });
  });

  it('throws all problems together, and nothing if there are none', () => {
    check.throwIfAny();
    check.number('maxAttempts', 0, { min: 1 });
    check.problem('', 'x', 'something else');
    expect(() => check.throwIfAny()).toThrow(InvalidConfigurationError);
    expect(() => check.throwIfAny()).toThrow(
      'Invalid configuration:\n' +
        '  - retry.maxAttempts: expected a number of 1 or more, but got 0\n' +
        '  - retry: expected something else, but got "x"',
    );
  });

  it.each([
    ['retry', 'maxAttempts', 'retry.maxAttempts'],
    ['', 'maxAttempts', 'maxAttempts'],
    ['retry', '', 'retry'],
    ['', '', 'options'],
  ])('calls, below %j, the option %j %s', (prefix, path, whole) => {
    expect(new OptionValidator(prefix).pathOf(path)).toBe(whole);
  });
});
