import { describe, expect, it } from '@jest/globals';
import { callKeyOf } from './call-key.js';

describe('callKeyOf', () => {
  it.each([undefined, null, ''])('treats %j as no key, so that no answer is shared by it', (nothing) => {
    expect(callKeyOf(nothing, 'key')).toBeUndefined();
  });

  it.each([
    ['ada', 'ada'],
    [0, '0'],
    [7n, '7'],
    [false, 'false'],
  ])('turns %p into %j', (given, text) => {
    expect(callKeyOf(given, 'key')).toBe(text);
  });

  it.each([{ id: 1 }, ['ada'], Promise.resolve('ada'), () => 'ada', Symbol('ada')])(
    'refuses what is the same text for everybody: %p',
    (given) => {
      expect(() => callKeyOf(given, 'The key of Quotes.rate')).toThrow(
        /^The key of Quotes\.rate: expected a text, or undefined where there is no key, but got /,
      );
    },
  );
});
